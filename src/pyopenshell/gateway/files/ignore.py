"""What an upload leaves out: what the ``.gitignore`` files on the way to it say (gitignore(5)), and ``.git`` itself.

Those in the folder and beneath it are given as they are met; those of the folders above, up to the one that has
``.git``, and that repository's ``info/exclude`` are read here. The file that git's own configuration may name is not.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from pathspec import GitIgnoreSpec

MOST = 256 << 10
"""Bytes of a file with rules."""


class Ignore:
    """The rules that hold at a place of a walk."""

    def __init__(self, folder: str) -> None:
        """Read the rules above a folder. Where they leave out the folder itself, they do not count: it was named."""
        place = Path(folder).resolve()
        self._above = len(place.parts)
        above = _above(place)
        self._rules = [] if _decide(above, place.parts, is_folder=True) else above
        self._place = place.parts

    def enter(self, path: bytes, text: bytes) -> None:
        """Enter a folder, ``path`` beneath the first one, with the text of its ``.gitignore``."""
        names = os.fsdecode(path).split("/") if path else []
        self._rules.append((self._above + len(names), _parsed(text)))

    def leave(self) -> None:
        """Leave the folder that was entered last."""
        self._rules.pop()

    def ignores(self, path: bytes, *, is_folder: bool) -> bool:
        """Whether an entry of the folder that was entered last is left out."""
        parts = (*self._place, *os.fsdecode(path).split("/"))
        return parts[-1] == ".git" or _decide(self._rules, parts, is_folder=is_folder)


_Rules = list[tuple[int, GitIgnoreSpec]]
"""Rules, the nearest last, each with the number of a path's parts that its folder has."""


def _decide(rules: _Rules, parts: tuple[str, ...], *, is_folder: bool) -> bool:
    for depth, spec in reversed(rules):
        if not len(spec):
            continue
        verdict = spec.check_file("/".join(parts[depth:]) + "/" * is_folder).include
        if verdict is not None:
            return verdict
    return False


def _above(place: Path) -> _Rules:
    """Return the rules of the folders between a folder and the top of its repository; none outside of one."""
    if (place / ".git").exists():
        return [(len(place.parts), _read(place / ".git/info/exclude"))]
    top = next((folder for folder in place.parents if (folder / ".git").exists()), None)
    if top is None:
        return []
    between = [folder for folder in reversed(place.parents) if folder.is_relative_to(top)]
    files = [top / ".git/info/exclude", *(folder / ".gitignore" for folder in between)]
    depths = [len(top.parts), *(len(folder.parts) for folder in between)]
    return [(depth, _read(file)) for depth, file in zip(depths, files, strict=True)]


def _read(file: Path) -> GitIgnoreSpec:
    try:
        with file.open("rb") as opened:
            return _parsed(opened.read(MOST))
    except OSError:
        return _parsed(b"")


def _parsed(text: bytes) -> GitIgnoreSpec:
    """Return the rules of a text. A line that is no pattern is passed over, as git does."""
    patterns: list[Any] = []
    for line in os.fsdecode(text.removeprefix(b"\xef\xbb\xbf")).splitlines():
        with suppress(ValueError):
            patterns += GitIgnoreSpec.from_lines([line]).patterns
    return GitIgnoreSpec(patterns)
