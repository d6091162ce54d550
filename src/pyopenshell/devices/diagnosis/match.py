"""Which rows of the catalogue a text has, where, and what it names there."""

from __future__ import annotations

import re

from pyopenshell.devices.diagnosis.catalogue import PIECES
from pyopenshell.devices.diagnosis.row import CERTAINTIES, Row
from pyopenshell.devices.diagnosis.text import Excerpt, Text, squeeze
from pyopenshell.record import Record

MOST = 8
"""Places of one pattern that are looked at: a log repeats itself."""
SEEN = 1000
"""Places of one pattern that are tried where they need words around them."""
AROUND = 400
"""Squeezed characters before and behind a text in which words may stand that show what it is about."""
PODS = ("kubelet", "/pods/", "pod sandbox")
"""Words with which a line is about a pod on some node."""
LISTED = 16
"""Names or paths that are kept of one row."""
NAMES = re.compile(r"(?<![\w./-])[A-Za-z][\w.-]*/[A-Za-z][\w.-]*=[\w.:-]*\w", re.ASCII)
"""CDI's qualified names, as far as their form tells."""
PATHS = re.compile(
    r"(?<![\w./-])/(?:data|dev|etc|home|lib\w*|media|mnt|nix|opt|proc|run|srv|sys|tmp|usr|var)/[\w./+@-]*\w", re.ASCII
)


class Match(Record):
    """A row that a text has: on which line first, what is shown of that, and the names and paths of all places.

    ``pod`` says that a kubelet said it, of a pod.
    """

    row: Row
    line: int
    evidence: str
    names: tuple[str, ...]
    paths: tuple[str, ...]
    pod: bool


class Span(Record):
    """A place in the squeezed text where a row's pattern was found."""

    row: Row
    start: int
    end: int


def matches(text: Text) -> tuple[Match, ...]:
    """Return the rows found, as they come in the text.

    Where two rows' texts lie over each other, the more certain one counts, or else the longer text.
    """
    spans = [span for row, patterns in PIECES for pieces in patterns for span in _spans(text, row, pieces)]
    places: dict[str, list[Span]] = {}
    for span in _uncovered(sorted(spans, key=lambda span: (span.start, -span.end))):
        places.setdefault(span.row.code, []).append(span)
    return tuple(_match(text, found[:MOST]) for found in places.values())


def _spans(text: Text, row: Row, pieces: tuple[bytes, ...]) -> list[Span]:
    found: list[Span] = []
    start = 0
    seen = 0
    while len(found) < MOST and seen < SEEN and (place := text.find(pieces, start)) is not None:
        if _is_meant(text.squeezed, row, *place):
            found.append(Span(row, *place))
        start = place[1]
        seen += 1
    return found


def _is_meant(squeezed: bytes, row: Row, start: int, end: int) -> bool:
    """Whether what is around a text shows that it is the row's, where the text alone does not."""
    if row.about:
        around = squeezed[max(0, start - AROUND) : end + AROUND]
        if not any(squeeze(word.encode()) in around for word in row.about):
            return False
    for other in map(str.encode, row.unless):
        longer = squeeze(other)
        reach = len(longer)
        if longer in squeezed[max(0, start - reach + 1) : end + reach - 1]:
            return False
    return True


def _uncovered(spans: list[Span]) -> list[Span]:
    """Return the spans, sorted by their starts, that no better one lies over."""
    kept: list[Span] = []
    open_: list[Span] = []
    for span in spans:
        open_ = [other for other in open_ if other.end > span.start]
        if any(_better(other, span) for other in open_):
            continue
        worse = {id(other) for other in open_ if _better(span, other)}
        open_ = [other for other in open_ if id(other) not in worse]
        kept = [other for other in kept if id(other) not in worse]
        open_.append(span)
        kept.append(span)
    return kept


def _better(one: Span, other: Span) -> bool:
    """Whether ``one`` says more than ``other``, of the same words."""
    return one.row is not other.row and (_rank(one), one.start - one.end) < (_rank(other), other.start - other.end)


def _rank(span: Span) -> int:
    return CERTAINTIES.index(span.row.certainty)


def _match(text: Text, spans: list[Span]) -> Match:
    excerpts = []
    line = 0
    for span in spans:
        start = text.position(span.start)
        excerpts.append(text.around(start, text.position(span.end - 1) + 1))
        line = line or text.line(start)
    names = [name for excerpt in excerpts for name in _names(excerpt)]
    paths = [path for excerpt in excerpts for path in PATHS.findall(excerpt.near)]
    pod = any(word in excerpt.near.lower() for excerpt in excerpts for word in PODS)
    return Match(spans[0].row, line, excerpts[0].shown, _few(names), _few(paths), pod)


def _names(excerpt: Excerpt) -> list[str]:
    """Return the CDI names from the match on; those of the next line where a wrapped one has none, be it in a word."""
    begun, after = excerpt.begun, excerpt.after
    return NAMES.findall(begun) or NAMES.findall(f"{begun} {after}") or NAMES.findall(begun + after)


def _few(found: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(found))[:LISTED]
