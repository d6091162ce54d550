"""``openshell gpu probe``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyopenshell.errors import UsageError

if TYPE_CHECKING:
    import argparse


def probe(_arguments: argparse.Namespace) -> int:
    """Say that it is being built."""
    raise UsageError("gpu probe is not here yet")


VERBS = {"probe": probe}
