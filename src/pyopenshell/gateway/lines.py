"""What clients read as a sandbox's log: the audit events of its runs, and what the gateway itself has to say of it.

The files on the disk are the only buffer: a client that reads slowly is read to slowly, and nothing piles up.
"""

from __future__ import annotations

import json
import os

from pyopenshell.audit import shorthand
from pyopenshell.audit.log import EVENTS
from pyopenshell.errors import UsageError
from pyopenshell.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pyopenshell.gateway.store import Revision, Sandbox

LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR")
SANDBOX, GATEWAY = "sandbox", "gateway"
SOURCES = (SANDBOX, GATEWAY)
_LEVEL_OF = {1: "INFO", 2: "INFO", 3: "WARN", 4: "ERROR", 5: "ERROR"}
"""By OCSF's severity_id: Informational, Low, Medium, High, Critical."""
_BLOCK = 1 << 16
_LONGEST = 1 << 20
"""Bytes of a line that is an event; what is longer is none of ours."""


class Line(Record):
    """One line. ``time`` is in milliseconds since 1970. ``reason`` names what happened, for programs."""

    time: int
    level: str
    source: str
    target: str
    message: str
    reason: str
    fields: dict[str, str] = {}  # noqa: RUF012 - records do not change


class Wanted(Record):
    """Which lines a client wants: from a time on (milliseconds), of some sources (none: of all), from a level on."""

    since: int
    sources: tuple[str, ...]
    level: int

    def takes(self, line: Line) -> bool:
        """Return whether it wants this one."""
        return (
            line.time >= self.since
            and (not self.sources or line.source in self.sources)
            and LEVELS.index(line.level) >= self.level
        )


def wanted(since: int, sources: Iterable[str], level: str) -> Wanted:
    """Return which lines are wanted. Raises UsageError for a source or a level that there is not."""
    chosen = tuple(sources)
    unknown = sorted(set(chosen) - set(SOURCES))
    if unknown:
        raise UsageError(f"there is no log source {unknown[0]!r}", hint=f"sources are {', '.join(SOURCES)}")
    name = {"": "TRACE", "WARNING": "WARN", "ERR": "ERROR"}.get(level.upper(), level.upper())
    if name not in LEVELS:
        raise UsageError(f"there is no log level {level!r}", hint=f"levels are {', '.join(LEVELS).lower()}")
    return Wanted(since, chosen, LEVELS.index(name))


def of_event(text: bytes) -> Line:
    """Return an audit event as a line: its shorthand, without the time, which is told beside it."""
    try:
        event = json.loads(text)
        message = shorthand.line(event).partition(" ")[2]
        code = event["metadata"]["event_code"]
        fields = {"code": code, "severity": event["severity"], "class": event["class_name"]}
        fields["run"] = event["unmapped"]["run_id"]
        return Line(event["time"], _LEVEL_OF[event["severity_id"]], SANDBOX, "ocsf", message, code, fields)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return Line(0, "WARN", SANDBOX, "ocsf", "an event of the audit log cannot be read", "log.unreadable")


def events_path(record: str) -> str:
    """Return the file with the events of a run, by the path of its record."""
    return f"{record}/{EVENTS}"


def backwards(path: str, end: int | None = None) -> Iterator[bytes]:
    """Yield the whole lines of a file (up to the end of one of them), the last one first. A missing file has none."""
    at = whole_size(path) if end is None else end
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return
    try:
        rest = b""  # the end of a line whose beginning is still to come
        while at:
            size = min(_BLOCK, at)
            at -= size
            beginning, *lines = (os.pread(fd, size, at) + rest).split(b"\n")
            yield from filter(None, reversed(lines))
            rest = beginning[-_LONGEST:]
        if rest:
            yield rest
    finally:
        os.close(fd)


class Reader:
    """The lines of a run's events from an offset on, as they are written."""

    def __init__(self, record: str, offset: int | None = None) -> None:
        """Begin at an offset; None: behind what is there."""
        self.run = os.path.basename(record)
        self.path = events_path(record)
        self.offset = whole_size(self.path) if offset is None else offset
        self._fd: int | None = None

    def read(self) -> list[tuple[int, Line]]:
        """Return what is there by now, each line with where it ends: at most 64 KiB of it at once. Never waits."""
        if self._fd is None:
            try:
                self._fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            except FileNotFoundError:
                return []
        data = os.pread(self._fd, _BLOCK, self.offset)
        end = data.rfind(b"\n") + 1
        if not end and len(data) == _BLOCK:  # a line that is longer than any event: passed over piece by piece
            self.offset += len(data)
            return []
        found = []
        for text in data[:end].split(b"\n")[:-1]:
            self.offset += len(text) + 1
            if text:
                found.append((self.offset, of_event(text)))
        return found

    def close(self) -> None:
        """Read no more."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def whole_size(path: str) -> int:
    """Return where the last whole line of a file ends."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return 0
    try:
        at = os.fstat(fd).st_size
        while at:
            size = min(_BLOCK, at)
            found = os.pread(fd, size, at - size).rfind(b"\n")
            if found >= 0:
                return at - size + found + 1
            at -= size
        return 0
    finally:
        os.close(fd)


def history(row: Sandbox, revisions: Sequence[Revision]) -> list[Line]:
    """Return what the gateway has to say of a sandbox's past, the oldest first: all of it is stored."""
    found = [_own(row.created, "Created", f"sandbox {row.name} was created in workspace {row.workspace}")]
    for revision in revisions:
        found += _of_revision(revision)
    if row.main_started is not None:
        found.append(_own(row.main_started, "MainStarted", "the main process was started"))
    return sorted(found, key=lambda line: line.time)


def _of_revision(revision: Revision) -> list[Line]:
    name = f"policy version {revision.version} ({revision.hash[: shorthand.DIGEST]})"
    if revision.status == "failed":
        return [_own(revision.created, "PolicyFailed", f"{name} was not taken: {revision.error}", "ERROR")]
    if revision.loaded is None:
        return [_own(revision.created, "PolicyPending", f"{name} is to be taken")]
    return [_own(revision.loaded, "PolicyLoaded", f"{name} is in force")]


def changes(before: Sandbox | None, row: Sandbox, now: int) -> list[Line]:
    """Return what a change of a sandbox means for its log."""
    found = []
    if before is None or before.phase != row.phase:
        level = "ERROR" if row.phase == "ERROR" else "INFO"
        text = f"sandbox {row.name} is {row.phase.lower()}" + (f": {row.message}" if row.message else "")
        found.append(_own(now, f"Phase{row.phase.capitalize()}", text, level))
    if before is not None and before.policy_version != row.policy_version:
        found.append(_own(now, "PolicyLoaded", f"policy version {row.policy_version} is in force"))
    return found


def _own(time: int, reason: str, message: str, level: str = "INFO") -> Line:
    return Line(time, level, GATEWAY, "gateway", shorthand.escape(message), reason)


def newest(records: Iterable[str], most: int, wanted: Wanted, end: int | None = None) -> list[Line]:
    """Return the newest lines of a sandbox's runs, the oldest of them first. Records come the newest first.

    ``end``: where the last line of the first record ends; None: at the end of what is there.
    """
    found: list[Line] = []
    for record in records:
        for text in backwards(events_path(record), end):
            line = of_event(text)
            if line.time and line.time < wanted.since:
                return found[::-1]
            if wanted.takes(line):
                found.append(line)
                if len(found) >= most:
                    return found[::-1]
        end = None
    return found[::-1]
