"""The ways in which programs come to run, and what each process of a way has said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from evidence import gpu_host

from tests.gpu.inside import AT_ONCE

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Sequence

    Answer = tuple[int, str, str]
    """Exit code, output and messages."""

INSIDE = Path(__file__).with_name("inside.py").read_text()
HOW = {"the command": (), "a grandchild": ("grandchild",), "several at once": ("several",)}


def words(how: str, command: Sequence[str]) -> list[str]:
    """Return the command line that has the command run in this way."""
    return [gpu_host.interpreter(), "-I", "-S", "-c", INSIDE, *HOW[how], *command] if HOW[how] else [*command]


def answers(how: str, done: subprocess.CompletedProcess[str]) -> list[Answer]:
    """Return what each process came to. Raises AssertionError where they could not be run in this way."""
    if not HOW[how]:
        return [(done.returncode, done.stdout, done.stderr)]
    assert done.returncode == 0, done.stderr
    found = [(int(code), str(out), str(err)) for code, out, err in json.loads(done.stdout)]
    assert len(found) == (AT_ONCE if how == "several at once" else 1)
    return found
