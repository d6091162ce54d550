r"""The text that is searched, whatever a terminal, a log or a clipboard did to it.

A message may come with colours, inside JSON (``\"``, ``\n``, ``\u003e``, several times over), wrapped in the middle of
a word, with CRLF, as UTF-16, framed by a box. So both the text and the patterns are compared *squeezed*: ASCII in lower
case, without spaces, quotes, backslashes, bars and everything that is not printable ASCII. What was found is then
shown from the text as it was. All of it is done by ``bytes`` methods, in time proportional to the text.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from itertools import accumulate, pairwise

from pyopenshell.record import Record

LIMIT = 32 << 20
"""Bytes of a text that are looked at: its last ones, where a log has what made the program stop."""
GAP = 300
"""Squeezed characters that ``…`` in a pattern may stand for: a path of an overlay and then some."""
WORDS, BREAKS_IN = 4, 8
"""Blanks and line breaks that ``…`` may stand for: it is a path or a name, not the beginning of another message."""
NARROWEST, WIDEST = 40, 4096
"""Characters of a line that may have been broken to fit a terminal."""
SHRUNK = 8
"""Characters that a line may have lost by its escapes."""
ATTEMPTS = 200
"""Places of one pattern that may turn out to be of two messages before it is given up."""
BLOCK = 1 << 12
"""Bytes between the places where a position in the squeezed text is known."""
SHOWN = 240
"""Characters of a line that are shown as evidence."""
BEFORE = 80
"""Of these, the characters before what was found."""
REGION = 2000
"""Characters before and behind what was found in which names and paths are looked for."""

INNER = b"\x0b"
"""A line break inside a line: an escaped one, or a lone carriage return. It does not count as a line of the input."""
KEPT = bytes(byte for byte in range(0x21, 0x7F) if byte not in b"\"'`\\|")
DROPPED = bytes(byte for byte in range(0x100) if byte not in KEPT)
ESCAPES = (
    (b"\\u001b", b"\x1b"),
    (b"\\x1b", b"\x1b"),
    (b"\\u003c", b"<"),
    (b"\\u003e", b">"),
    (b"\\u0026", b"&"),
    (b"\\n", INNER),
    (b"\\r", INNER),
    (b"\\t", b" "),
    (b"\r\n", b"\n"),
    (b"\r", INNER),
)
"""What JSON and Go's ``%q`` write, and what is meant. Case is as encoders write it."""
COLOURS = re.compile(rb"\x1b(?:\[[0-?]*+[ -/]*+[@-~]|\][^\x07\x1b\n]*+(?:\x07|\x1b\\)|[ -/]++[0-~]|[@-Z^_])")
"""Control sequences (ECMA-35 and 48: CSI, shorter ones) and terminated OSC; without backtracking."""
BREAKS = re.compile(rb"[\n\x0b]")
BLANKS = re.compile(rb"[^!-{}~]+")
"""What separates words: no printable ASCII, or the bar of a box."""


class Excerpt(Record):
    """The lines with a match, as printable text: what is ``shown``, what ``begun`` with the match.

    ``near`` is all of the line, ``after`` the line below it; none is longer than a few ``REGION``.
    """

    shown: str
    begun: str
    near: str
    after: str


class Text:
    """A prepared text. ``lines`` counts the lines of what was given, ``cut`` says that its beginning was left out."""

    def __init__(self, text: str | bytes) -> None:
        """Take a text; of a very long one, its last ``LIMIT`` bytes."""
        data = text.encode("utf-8", "replace") if isinstance(text, str) else text
        self.cut = len(data) > LIMIT
        self.plain = _plain(data[-LIMIT:])
        self.squeezed = squeeze(self.plain)
        self.lines = self.plain.count(b"\n") + (not self.plain.endswith(b"\n") and bool(self.plain))
        self._known: list[int] = []

    def position(self, squeezed: int) -> int:
        """Return where the squeezed text's character stands in ``plain``."""
        if not self._known:
            blocks = range(0, len(self.plain), BLOCK)
            sizes = (len(self.plain[start : start + BLOCK].translate(None, DROPPED)) for start in blocks)
            self._known = [0, *accumulate(sizes)]
        block = bisect_right(self._known, squeezed) - 1
        left = squeezed - self._known[block]
        for place in range(block * BLOCK, min(len(self.plain), (block + 1) * BLOCK)):
            if self.plain[place] in KEPT:
                if left == 0:
                    return place
                left -= 1
        raise AssertionError("a position outside the text")  # our bug: what is found lies in the text

    def find(self, pieces: tuple[bytes, ...], start: int = 0) -> tuple[int, int] | None:
        """Return where, from ``start`` of the squeezed text, the pieces stand in one message."""
        for _attempt in range(ATTEMPTS):
            places = find(self.squeezed, pieces, start)
            if places is None:
                return None
            if all(self._is_one_word(left[1] - 1, right[0]) for left, right in pairwise(places)):
                return places[0][0], places[-1][1]
            start = places[0][0] + 1
        return None

    def _is_one_word(self, left: int, right: int) -> bool:
        """Whether between two characters of the squeezed text are few blanks, and line breaks only of wrapping."""
        runs = list(BLANKS.finditer(self.plain, self.position(left) + 1, self.position(right)))
        breaks = [place.start() for run in runs if (place := BREAKS.search(self.plain, run.start(), run.end()))]
        if len(breaks) > BREAKS_IN or len(runs) - len(breaks) > WORDS:
            return False
        return all(map(self._is_wrapped, breaks))

    def _is_wrapped(self, place: int) -> bool:
        """Whether a line break is one that was made to fit: what follows would not have had room before it.

        So the broken line with the first word of the next is at least as long as that next line.
        """
        plain = self.plain
        low, begin = max(0, place - WIDEST), place + 1
        inner = INNER if plain[place : place + 1] == INNER else b"\n"
        before = plain[max(plain.rfind(b"\n", low, place), plain.rfind(inner, low, place), low - 1) + 1 : place]
        ends = (plain.find(end, begin, begin + WIDEST) for end in (b"\n", inner))
        after = plain[begin : min((end for end in ends if end >= 0), default=begin + WIDEST)].rstrip()
        word = BLANKS.split(after.lstrip(b" |\t"), maxsplit=1)[0]
        width = len(before.rstrip())
        return width >= NARROWEST and width + 1 + len(word) + SHRUNK >= len(after)

    def line(self, position: int) -> int:
        """Return the number, from 1, of the line of the input that a position in ``plain`` is on."""
        return self.plain.count(b"\n", 0, position) + 1

    def around(self, start: int, end: int) -> Excerpt:
        """Return what to show of ``plain[start:end]``, and what to look for names in."""
        end = min(end, start + REGION)
        first = max(self.plain.rfind(b"\n", 0, start), self.plain.rfind(INNER, 0, start)) + 1
        last = self._line_end(end)
        low, high = max(first, start - BEFORE), min(last, max(end, start + SHOWN - BEFORE))
        shown = "…" * (low > first) + readable(self.plain[low:high]) + "…" * (high < last)
        near = self.plain[max(first, start - REGION) : min(last, end + REGION)]
        # A word that was broken at the end of the line goes on in the next one.
        after = self.plain[last + 1 : min(self._line_end(last + 1), last + 1 + REGION)] if last < end + REGION else b""
        return Excerpt(shown, readable(self.plain[start : min(last, end + REGION)]), readable(near), readable(after))

    def _line_end(self, position: int) -> int:
        found = BREAKS.search(self.plain, position)
        return found.start() if found else len(self.plain)


def squeeze(data: bytes) -> bytes:
    """Return only what is compared: printable ASCII in lower case, without spaces, quotes, backslashes and bars."""
    return data.translate(None, DROPPED).lower()


def parts(pattern: str) -> tuple[bytes, ...]:
    """Return the pieces of a pattern between its gaps, squeezed."""
    return tuple(squeeze(part.encode()) for part in pattern.split("…"))


def find(squeezed: bytes, pieces: tuple[bytes, ...], start: int = 0) -> tuple[tuple[int, int], ...] | None:
    """Return the first place, from ``start``, where the pieces follow each other with no more than ``GAP`` between.

    Each piece is returned with where it begins and ends. A piece that is too far away moves the start to where it can
    be reached from, so that nothing is read again and again: the time is that of a few ``bytes.find``.
    """
    while (begin := squeezed.find(pieces[0], start)) >= 0:
        end = reach = begin + len(pieces[0])
        places = [(begin, end)]
        for piece in pieces[1:]:
            place = squeezed.find(piece, end)
            if place < 0:
                return None
            if place - end > GAP:
                # No occurrence of this piece is nearer, so nothing that begins before this can reach it.
                start = max(begin + 1, place - (reach - begin) - GAP)
                break
            end, reach = place + len(piece), reach + GAP + len(piece)
            places.append((place, end))
        else:
            return tuple(places)
    return None


def readable(data: bytes) -> str:
    """Return bytes as one line of printable text; escaped quotes lose their backslashes."""
    text = re.sub(r"\\++([\"'])", r"\1", data.decode("utf-8", "replace"))
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def _plain(data: bytes) -> bytes:
    """Return the text without escapes, colours and NULs (which are most of what UTF-16 adds to ASCII)."""
    data = data.replace(b"\0", b"")
    for written, meant in ESCAPES:
        data = data.replace(written, meant)
    return COLOURS.sub(b"", data) if b"\x1b" in data else data
