"""From a text to the causes it tells of, narrowed down by what the host shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyopenshell.devices.cdi.codes import CODES
from pyopenshell.devices.diagnosis.catalogue import BY_CODE
from pyopenshell.devices.diagnosis.cause import Cause
from pyopenshell.devices.diagnosis.conclusion import Conclusion, fitting
from pyopenshell.devices.diagnosis.match import Match, matches
from pyopenshell.devices.diagnosis.refine import refine
from pyopenshell.devices.diagnosis.row import CERTAIN, CERTAINTIES, LIKELY, at_most
from pyopenshell.devices.diagnosis.text import Text

if TYPE_CHECKING:
    from pyopenshell.devices.diagnosis.surroundings import Surroundings

REGISTRY = frozenset((*CODES, "cdi.spec-device"))
"""Codes of rows with which an engine itself says what is wrong with a spec."""
HIDDEN = ("cdi.spec-refused", "cdi.conflict")
"""Conclusions that say of a spec what an engine may have said itself."""


def diagnose(text: str | bytes, surroundings: Surroundings | None = None) -> tuple[Cause, ...]:
    """Return the causes that a text names, the most certain first; none where nothing is known of it.

    ``text`` is what an engine, a kubelet, a driver or a program printed, with whatever is around it; of more than
    ``text.LIMIT`` bytes, the last ones count. With ``surroundings`` (``surroundings.read()`` of the host that the text
    is from) a message with several causes is narrowed down. Nothing is run and nothing is raised.
    """
    return answer(Text(text), surroundings)


def answer(text: Text, surroundings: Surroundings | None) -> tuple[Cause, ...]:
    """Return the causes of a prepared text."""
    found = [(match, refine(match, surroundings) if surroundings is not None else ()) for match in matches(text)]
    said = [match for match, _told in found if match.row.refine != "unresolvable" and match.row.code in REGISTRY]
    merged: dict[str, Conclusion] = {}
    causes: dict[tuple[str, tuple[str, ...]], Cause] = {}
    for match, told in found:
        kept = []
        for conclusion in told:
            same = _said(conclusion, said)
            if same is not None:
                merged[same.row.code] = conclusion
            else:
                kept.append(_doubted(conclusion) if said and conclusion.code.startswith("cdi.folder-") else conclusion)
        for conclusion in kept or ([] if told else [Conclusion(match.row.code)]):
            cause = _cause(match, conclusion)
            causes.setdefault((cause.code, cause.seen), cause)
    told_twice = {key: cause for key, cause in causes.items() if cause.code in merged and not cause.seen}
    for key, cause in told_twice.items():
        also = merged[cause.code]
        causes[key] = cause.replace(seen=also.seen, steps=tuple(dict.fromkeys((*also.steps, *cause.steps))))
    return tuple(sorted(causes.values(), key=lambda cause: CERTAINTIES.index(cause.certainty)))


def _said(conclusion: Conclusion, said: list[Match]) -> Match | None:
    """Return the match with which the engine itself said what was concluded from looking at its specs."""
    if conclusion.code not in HIDDEN:
        return None
    for match in said:
        if (match.row.code == "cdi.conflict") == (conclusion.code == "cdi.conflict") and (
            set(match.paths) & set(conclusion.files) or not match.paths
        ):
            return match
    return None


def _doubted(conclusion: Conclusion) -> Conclusion:
    """Return that there is no spec at all, said less surely: the engine has read one."""
    return conclusion.replace(most=at_most(conclusion.most or CERTAIN, LIKELY))


def _cause(match: Match, told: Conclusion) -> Cause:
    row = BY_CODE[told.code]
    return Cause(
        row.code,
        at_most(row.certainty, told.most or CERTAIN),
        row.cause,
        match.row.said_by,
        match.evidence,
        match.line,
        fitting((*told.steps, *row.steps), match.names, bare=told.bare),
        row.source if row is match.row else f"{match.row.source}; {row.source}",
        match.row.code,
        match.names,
        match.paths,
        told.seen,
    )
