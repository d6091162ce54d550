"""Other names of a folder: what is mounted a second time, and names that a file system takes for the same.

Paths without links still do not say which files they are about. Here two of them are compared by the numbers of their
files and by where on which file system they are. A hard link in a folder is not seen: the folder would have to be read
to its last file.
"""

from __future__ import annotations

import os

from pyopenshell.effective.paths import inside, upward
from pyopenshell.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SAME, WITHIN, AROUND = "same", "within", "around"


class Mount(Record):
    """A line of proc_pid_mountinfo(5): the folder ``root`` of the file system ``device`` is seen at ``point``."""

    number: str
    parent: str
    device: str
    root: str
    point: str


class Aliases:
    """What is known about names on this host at one moment."""

    def __init__(self, mountinfo: bytes, identify: Callable[[str], tuple[int, int] | None]) -> None:
        """Take the text of mountinfo, and what tells device and inode of a path (None for what is not there)."""
        self._identify = identify
        self._mounts = [_mount(line) for line in os.fsdecode(mountinfo).splitlines()]
        self._on = {(one.parent, one.point): one for one in self._mounts if one.number != one.parent}
        numbers = {one.number for one in self._mounts}
        tops = (one for one in self._mounts if one.parent == one.number or one.parent not in numbers)
        self._root = next((one for one in tops if one.point == "/"), None)

    def relation(self, place: str, other: str) -> str | None:
        """Say what ``place`` is to ``other`` under any of their names: SAME, WITHIN or AROUND it; None for neither."""
        found = {_relation(place, other), *self._by_numbers(place, other), *self._by_mounts(place, other)}
        return next((one for one in (SAME, WITHIN, AROUND) if one in found), None)

    def _by_numbers(self, place: str, other: str) -> Iterator[str | None]:
        """Compare how they go on from each folder that both have above them."""
        files = {file: folder for folder in upward(other) if (file := self._identify(folder))}
        for folder in upward(place):
            file = self._identify(folder)
            if file in files:
                yield _relation(_beneath(place, folder), _beneath(other, files[file]))

    def _by_mounts(self, place: str, other: str) -> Iterator[str | None]:
        """Compare where on their file systems they are, and all that is mounted in either."""
        here, there = self._location(place), self._location(other)
        ours, theirs = self._mounted_in(place), self._mounted_in(other)
        if here and there and here[0] == there[0]:
            yield _relation(here[1], there[1])
        for device, path in theirs:
            if here and here[0] == device and (found := _relation(here[1], path)):
                yield AROUND if found == AROUND else WITHIN
        for device, path in ours:
            if any(device == at[0] and _relation(path, at[1]) for at in (*theirs, *((there,) if there else ()))):
                yield AROUND

    def _location(self, place: str) -> tuple[str, str] | None:
        """Return the file system that a path is on, and the path in it."""
        mount = self._mount_of(place)
        if mount is None:
            return None
        rest = _beneath(place, mount.point)
        return mount.device, rest if mount.root == "/" else (mount.root + rest).rstrip("/")

    def _mounted_in(self, place: str) -> list[tuple[str, str]]:
        """Return the same of what is mounted in a folder."""
        return [(one.device, one.root) for one in self._mounts if one.point != place and inside(one.point, place)]

    def _mount_of(self, place: str) -> Mount | None:
        """Walk down to what is mounted there: of several at one point the last covers the others."""
        mount = self._root
        for folder in reversed(list(upward(place))):
            while mount is not None and (above := self._on.get((mount.number, folder))):
                mount = above
        return mount


def of_host() -> Aliases:
    """Return what is known now. Where there is no procfs, only the numbers of files are."""
    try:
        with open("/proc/self/mountinfo", "rb") as file:
            mountinfo = file.read()
    except OSError:
        mountinfo = b""
    seen: dict[str, tuple[int, int] | None] = {}

    def identify(path: str) -> tuple[int, int] | None:
        if path not in seen:
            try:
                info = os.lstat(path)
                seen[path] = info.st_dev, info.st_ino
            except OSError:
                seen[path] = None
        return seen[path]

    return Aliases(mountinfo, identify)


def _relation(place: str, other: str) -> str | None:
    if place == other:
        return SAME
    return WITHIN if inside(place, other) else AROUND if inside(other, place) else None


def _beneath(place: str, folder: str) -> str:
    """Return the path as one from that folder as root."""
    return place if folder == "/" else place[len(folder) :] or "/"


def _mount(line: str) -> Mount:
    fields = line.split(" ")
    return Mount(fields[0], fields[1], fields[2], *map(_unescaped, fields[3:5]))


def _unescaped(text: str) -> str:
    """Return a field without mountinfo's octal escapes."""
    for character in " \t\n\\":
        text = text.replace(f"\\{ord(character):03o}", character)
    return text
