"""What a baseline proposes. Composition alone decides what becomes of a proposal."""

from __future__ import annotations

from pyopenshell.record import Record


class Proposal(Record):
    """One path a runtime needs: ``name`` is the table's (``process``, ``command``, ``proxy``, ``gpu``).

    ``access`` holds Landlock right names; ``reason`` is a sentence for the operator.
    """

    name: str
    path: str
    access: tuple[str, ...]
    reason: str
