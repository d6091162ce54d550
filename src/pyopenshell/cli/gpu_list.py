"""``openshell gpu list``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyopenshell.errors import UsageError

if TYPE_CHECKING:
    import argparse


def list(_arguments: argparse.Namespace) -> int:
    """Say that it is being built."""
    raise UsageError("gpu list is not here yet")


VERBS = {"list": list}
