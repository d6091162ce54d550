"""Faults that the matrix must see: each is planted in the copy of the checkout that is booted, never in the checkout.

``python -m tests.kernels --plant NAME`` must fail, in the cells that the fault is about.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.kernels.packages import Unavailable

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Edit:
    """A piece of a source file, and what stands there instead."""

    file: str
    old: str
    new: str


FAULTS: dict[str, tuple[Edit, ...]] = {}


def plant(edits: tuple[Edit, ...], checkout: Path) -> None:
    """Plant them. Raises Unavailable where the source has changed, so that the fault could not be planted."""
    for edit in edits:
        file = checkout / edit.file
        text = file.read_text()
        if text.count(edit.old) != 1:
            raise Unavailable(f"{edit.file} holds the place of this fault {text.count(edit.old)} times, not once")
        file.write_text(text.replace(edit.old, edit.new))
