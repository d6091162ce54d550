"""``openshell gpu diagnose``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyopenshell.errors import UsageError

if TYPE_CHECKING:
    import argparse


def diagnose(_arguments: argparse.Namespace) -> int:
    """Say that it is being built."""
    raise UsageError("gpu diagnose is not here yet")


VERBS = {"diagnose": diagnose}
