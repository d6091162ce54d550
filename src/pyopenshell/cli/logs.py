"""``openshell logs``: the events of one run, in shorthand or as OCSF."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from pyopenshell.cli import output

if TYPE_CHECKING:
    import argparse


def logs(arguments: argparse.Namespace) -> int:
    """Print the log from its beginning, or its last events. A run without events prints nothing."""
    from pyopenshell import runs

    view = runs.find(arguments.name)
    name = "events.jsonl" if arguments.output == "json" else "events.log"
    try:
        with open(f"{view.path}/{name}", encoding="utf-8", errors="surrogateescape") as file:
            for text in deque(file, arguments.count):
                output.line(text.rstrip("\n"))
    except FileNotFoundError:
        pass
    return 0


VERBS = {"logs": logs}
