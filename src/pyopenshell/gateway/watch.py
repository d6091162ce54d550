"""One client that follows a sandbox: what it was told, and what it is to be told next."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from openshell._proto import openshell_pb2

from pyopenshell.errors import UsageError
from pyopenshell.gateway import lines, messages
from pyopenshell.gateway.record import NoRecord, record_of
from pyopenshell.runs.names import is_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from pyopenshell.gateway.lines import Line, Wanted
    from pyopenshell.gateway.store import Sandbox


class Watch:
    """What one client was told, and what it is to be told next."""

    def __init__(
        self, request: openshell_pb2.WatchSandboxRequest, wanted: Wanted, fingerprint: Callable[[str], str]
    ) -> None:
        """Tell nothing yet: ``begin``. ``fingerprint``: of a sandbox's SSH host key, by its id."""
        self.request = request
        self.row: Sandbox
        self._wanted = wanted
        self._fingerprint = fingerprint
        self._reader: lines.Reader | None = None
        self._cursor = ""

    def begin(self, row: Sandbox) -> Iterator[openshell_pb2.SandboxStreamEvent]:
        """Take the sandbox as it is. Where a client resumes, go on behind what it has."""
        self.row = row
        self._open(row, None)
        if self.request.resume_after_cursor:
            run, offset = _place(self.request.resume_after_cursor)
            if self._reader and self._reader.run == run:
                self._open(row, offset)
            else:
                self._open(row, 0)
                yield self._event(
                    warning=openshell_pb2.SandboxStreamWarning(
                        message="the sandbox was started anew since: its log is told from that start on"
                    )
                )
        if self.request.follow_status:
            yield self._status()

    def changed(self, row: Sandbox) -> Iterator[openshell_pb2.SandboxStreamEvent]:
        """Tell of a change; a sandbox that was started anew has another log."""
        before, self.row = self.row, row
        if before == row:
            return
        if self.request.follow_logs and row.run_id != before.run_id:
            yield from self.read()
            self._open(row, 0)
        if self.request.follow_status:
            yield self._status()
        for line in lines.changes(before, row, time.time_ns() // 1_000_000):
            if self.request.follow_events:
                yield self.platform(line)
            if self.request.follow_logs and self._wanted.takes(line):
                yield self.log(line)

    def read(self) -> list[openshell_pb2.SandboxStreamEvent]:
        """Return the next lines of the log, if there are any."""
        found: list[openshell_pb2.SandboxStreamEvent] = []
        while self.request.follow_logs and self._reader and not found:
            before = self._reader.offset
            lot = self._reader.read()
            if self._reader.offset == before:
                break
            for end, line in lot:
                self._cursor = f"{self._reader.run}.{end}"
                if self._wanted.takes(line):
                    found.append(self.log(line))
        return found

    @property
    def offset(self) -> int | None:
        """Where the log goes on that is still to be told."""
        return self._reader.offset if self._reader else None

    def close(self) -> None:
        """Follow no longer."""
        if self._reader:
            self._reader.close()
            self._reader = None

    def _open(self, row: Sandbox, offset: int | None) -> None:
        self.close()
        try:
            self._reader = lines.Reader(record_of(row).path, offset)
        except NoRecord:
            return
        self._cursor = f"{self._reader.run}.{self._reader.offset}"

    def log(self, line: Line) -> openshell_pb2.SandboxStreamEvent:
        """Return the event of a log line."""
        return self._event(log=message(self.row, line))

    def platform(self, line: Line) -> openshell_pb2.SandboxStreamEvent:
        """Return the event of something that the gateway did or saw."""
        kind = "Warning" if line.level in ("WARN", "ERROR") else "Normal"
        event = openshell_pb2.PlatformEvent(source=line.source, type=kind, reason=line.reason, message=line.message)
        messages.moment(event.event_time, line.time)
        return self._event(event=event)

    def _status(self) -> openshell_pb2.SandboxStreamEvent:
        return self._event(sandbox=messages.sandbox(self.row, self._fingerprint(self.row.id)))

    def _event(self, **payload: Any) -> openshell_pb2.SandboxStreamEvent:
        return openshell_pb2.SandboxStreamEvent(cursor=self._cursor, **payload)


def message(row: Sandbox, line: Line) -> openshell_pb2.SandboxLogLine:
    """Return a line of a sandbox's log as the protocol has it."""
    told = openshell_pb2.SandboxLogLine(
        sandbox_id=row.id,
        level=line.level,
        target=line.target,
        message=line.message,
        source=line.source,
        fields=line.fields,
    )
    messages.moment(told.event_time, line.time)
    return told


def _place(cursor: str) -> tuple[str, int]:
    """Return the run and the offset that a cursor means. Raises UsageError."""
    run, _, offset = cursor.partition(".")
    if len(cursor) > 64 or not is_id(run) or not (offset.isascii() and offset.isdigit() and len(offset) < 19):
        raise UsageError("resume_after_cursor is none of this gateway's", hint="give the cursor of the last event")
    return run, int(offset)
