"""``openshell completions SHELL``: print what was generated when the package was made."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

FOLDER = Path(__file__).with_name("completions")


def completions(arguments: argparse.Namespace) -> int:
    """Print the completions; the file beside this one says what to do with them."""
    sys.stdout.write((FOLDER / f"openshell.{arguments.shell}").read_text(encoding="utf-8"))
    return 0


VERBS = {"completions": completions}
