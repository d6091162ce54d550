"""One difference between two effective policies, and how it is judged."""

from __future__ import annotations

from pyopenshell.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

LOOSER, TIGHTER, OTHER = "looser", "tighter", "other"
"""What B is, compared to A: it may more, it may less, or neither of the two (or that cannot be known)."""


class Difference(Record):
    """Something that is not the same on both sides.

    ``kind`` is one of ``diff.KINDS``, ``subject`` what it is about. ``a`` and ``b`` hold the values that differ, all of
    them where the other side has no such thing at all and is None. ``note`` is a sentence on what follows.
    """

    kind: str
    subject: str
    direction: str
    a: dict[str, Any] | None
    b: dict[str, Any] | None
    note: str = ""

    @property
    def change(self) -> str:
        """``added`` and ``removed`` in B, or ``changed``."""
        return "added" if self.a is None else "removed" if self.b is None else "changed"

    def as_dict(self) -> dict[str, Any]:
        """Return the documented shape (docs/cli.md)."""
        shape = super().as_dict()
        return {"direction": shape.pop("direction"), "kind": shape.pop("kind"), "change": self.change, **shape}


def judge(*, won: bool, lost: bool) -> str:
    """Return the direction: what B won makes it looser, what it lost tighter, both or neither is the third."""
    return OTHER if won == lost else LOOSER if won else TIGHTER


def changed(
    kind: str,
    subject: str,
    sides: Iterable[Mapping[str, Any] | None],
    direction: str = OTHER,
    note: str = "",
) -> Iterator[Difference]:
    """Yield the difference between the shapes of A and B, reduced to what differs, where there is one."""
    a, b = sides
    if a == b:
        return
    keys = [key for key in {**(a or {}), **(b or {})} if a is None or b is None or a.get(key) != b.get(key)]
    before, after = (None if side is None else {key: side.get(key) for key in keys} for side in (a, b))
    yield Difference(kind, subject, direction, before, after, note)
