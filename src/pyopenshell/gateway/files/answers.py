"""What a file agent may answer: bodies held against the shape, and the bounds, of what was asked."""

from __future__ import annotations

import stat
from typing import Any

from pyopenshell.launch import files_wire as wire
from pyopenshell.record import Record

NAME_MAX = 255
"""Bytes of a name (limits.h)."""
_OF_ENTRY = len(wire.ENTRY)


class Nonsense(ValueError):
    """An answer that no agent of ours gives."""


class Status(Record):
    """What is told of a file (stat(2)). Times are ns since 1970."""

    mode: int
    size: int
    accessed: int
    changed: int
    uid: int
    gid: int
    links: int

    @property
    def is_folder(self) -> bool:
        """Whether it is one."""
        return stat.S_ISDIR(self.mode)

    @property
    def is_file(self) -> bool:
        """Whether it is a regular file."""
        return stat.S_ISREG(self.mode)

    @property
    def is_link(self) -> bool:
        """Whether it is a symbolic link."""
        return stat.S_ISLNK(self.mode)


class Space(Record):
    """What is told of a file system (statvfs(3))."""

    block: int
    fragment: int
    blocks: int
    free: int
    available: int
    files: int
    free_files: int
    available_files: int
    flags: int
    name_max: int


def checked(operation: int, body: bytes) -> list[Any]:
    """Return the values of an answer. Raises ValueError for one that no agent gives."""
    if operation == wire.ENTRIES:
        return _entries(body)
    values = wire.whole(wire.ANSWERS.get(operation, ""), body)
    if operation == wire.STATUS:
        return [_status(values)]
    if operation == wire.SPACE:
        if min(values) < 0:
            raise Nonsense
        return [Space(*values)]
    if operation == wire.READ:
        if len(values[0]) > wire.CHUNK:
            raise Nonsense
    elif operation in (wire.READ_LINK, wire.REAL_PATH):
        (path,) = values
        if not 0 < len(path) <= wire.MAX_PATH or b"\0" in path:
            raise Nonsense
        if operation == wire.REAL_PATH and not path.startswith(b"/"):
            raise Nonsense
    return values


def is_name(name: bytes) -> bool:
    """Whether these bytes can be a name in a folder."""
    return 0 < len(name) <= NAME_MAX and name not in (b".", b"..") and b"/" not in name and b"\0" not in name


def _entries(body: bytes) -> list[tuple[bytes, Status]]:
    found: list[tuple[bytes, Status]] = []
    at = 0
    while at < len(body):
        (name, *values), at = wire.unpack("b" + wire.ENTRY, body, at)
        if not is_name(name) or len(found) == wire.MAX_ENTRIES:
            raise Nonsense
        found.append((name, _status(values)))
    return found


def _status(values: list[int]) -> Status:
    status = Status(*values)
    if not 0 <= status.mode < 1 << 16 or status.size < 0 or min(status.uid, status.gid, status.links) < 0:
        raise Nonsense
    return status
