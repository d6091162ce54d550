"""From a text to the causes it tells of, narrowed down by what the host shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyopenshell.devices.diagnosis.catalogue import BY_CODE
from pyopenshell.devices.diagnosis.cause import Cause
from pyopenshell.devices.diagnosis.match import Match, matches
from pyopenshell.devices.diagnosis.refine import Conclusion, refine
from pyopenshell.devices.diagnosis.row import CERTAINTIES
from pyopenshell.devices.diagnosis.text import Text

if TYPE_CHECKING:
    from pyopenshell.devices.diagnosis.surroundings import Surroundings


def diagnose(text: str | bytes, surroundings: Surroundings | None = None) -> tuple[Cause, ...]:
    """Return the causes that a text names, the most certain first; none where nothing is known of it.

    ``text`` is what an engine, a kubelet, a driver or a program printed, with whatever is around it; of more than
    ``text.LIMIT`` bytes, the last ones count. With ``surroundings`` (``surroundings.read()`` of the host that the text
    is from) a message with several causes is narrowed down. Nothing is run and nothing is raised.
    """
    return answer(Text(text), surroundings)


def answer(text: Text, surroundings: Surroundings | None) -> tuple[Cause, ...]:
    """Return the causes of a prepared text."""
    causes: dict[tuple[str, tuple[str, ...]], Cause] = {}
    for match in matches(text):
        told = refine(match, surroundings) if surroundings is not None else ()
        for conclusion in told or (Conclusion(match.row.code),):
            cause = _cause(match, conclusion)
            causes.setdefault((cause.code, cause.seen), cause)
    return tuple(sorted(causes.values(), key=lambda cause: CERTAINTIES.index(cause.certainty)))


def _cause(match: Match, told: Conclusion) -> Cause:
    row = BY_CODE[told.code]
    return Cause(
        row.code,
        row.certainty,
        row.cause,
        match.row.said_by,
        match.evidence,
        match.line,
        tuple(dict.fromkeys((*told.steps, *row.steps))),
        row.source if row is match.row else f"{match.row.source}; {row.source}",
        match.row.code,
        match.names,
        match.paths,
        told.seen,
    )
