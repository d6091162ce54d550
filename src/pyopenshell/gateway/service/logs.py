"""RPCs about what happens in a sandbox: its log, and following log, events and state as they come."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from itertools import chain
from typing import TYPE_CHECKING

from openshell._proto import openshell_pb2

from pyopenshell import runs
from pyopenshell.errors import NoSuchSandbox, StateError, UsageError
from pyopenshell.gateway import lines
from pyopenshell.gateway.adopted import ORIGIN
from pyopenshell.gateway.box import TERMINAL
from pyopenshell.gateway.record import NoRecord, record_of
from pyopenshell.gateway.scope import workspace_of
from pyopenshell.gateway.store import Store
from pyopenshell.gateway.watch import Watch, message

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
    from typing import Any

    from pyopenshell.gateway.engine import Engine
    from pyopenshell.gateway.lines import Line, Wanted
    from pyopenshell.gateway.store import Sandbox

TICK = 0.2
"""Seconds between two looks at a log that somebody follows. Nobody looks while nobody does."""
SLOW_TICK = 1.0
"""Seconds between two looks at a sandbox of ``openshell run``, which tells no gateway how it fares."""
LINES, MOST_LINES = 500, 5000
"""Lines of one answer when a client does not say how many, and the most."""
MOST_BYTES = 3 << 20
"""Of all messages of one answer: below what clients take. The newest are kept."""


class LogService:
    """Logs of sandboxes."""

    def __init__(self, engine: Engine, fingerprint: Callable[[str], str]) -> None:
        """Serve the logs of an engine's sandboxes. ``fingerprint``: of a sandbox's SSH host key, by its id."""
        self._engine = engine
        self._fingerprint = fingerprint

    async def GetSandboxLogs(self, request: openshell_pb2.GetSandboxLogsRequest, _context: object) -> Any:  # noqa: N802
        """Return the newest lines that are wanted, the oldest of them first."""
        wanted = lines.wanted(_milliseconds(request, "since_time"), request.sources, request.min_level)
        row = await self._engine.get(workspace_of(request), request.sandbox)
        found = await self._tail(row, _count(request.lines, "lines") or LINES, wanted)
        kept: list[openshell_pb2.SandboxLogLine] = []
        size = 0
        for line in reversed(found):
            told = message(row, line)
            size += told.ByteSize()
            if size > MOST_BYTES:
                break
            kept.append(told)
        return openshell_pb2.GetSandboxLogsResponse(logs=reversed(kept), buffer_total=len(found))

    async def _tail(self, row: Sandbox, most: int, wanted: Wanted, end: int | None = None) -> list[Line]:
        """Return the newest lines of both sources, the oldest of them first: events up to an offset of the last run."""
        past = [line for line in await self._past(row) if wanted.takes(line)]
        events: list[Line] = []
        if not wanted.sources or lines.SANDBOX in wanted.sources:
            events = await asyncio.to_thread(lines.newest, _records(row), most, wanted, end)
        return sorted([*past, *events], key=lambda line: line.time)[-most:]

    async def _past(self, row: Sandbox) -> list[Line]:
        """Return what the gateway has to say of a sandbox until now."""
        stored = [] if ORIGIN in row.annotations else await self._engine.store.call(Store.revisions, row.id, 100)
        found = lines.history(row, stored)
        if row.phase in ("ERROR", "STOPPED"):  # when is not stored: after all else
            found += lines.changes(None, row, found[-1].time)
        return found

    async def WatchSandbox(  # noqa: N802
        self, request: openshell_pb2.WatchSandboxRequest, _context: object
    ) -> AsyncGenerator[openshell_pb2.SandboxStreamEvent, None]:
        """Yield a sandbox's state, events and log lines as they come, until it is deleted.

        With ``stop_on_terminal`` until it is in a phase that it does not leave by itself.
        """
        if not (request.follow_status or request.follow_logs or request.follow_events):
            raise UsageError("nothing is to be followed", hint="set follow_status, follow_logs or follow_events")
        tail, events = (_count(getattr(request, name), name) for name in ("log_tail_lines", "event_tail"))
        wanted = lines.wanted(_milliseconds(request, "since_time"), request.log_sources, request.log_min_level)
        row = await self._engine.get(workspace_of(request), request.sandbox)
        watch = Watch(request, wanted, self._fingerprint)
        try:
            for event in watch.begin(row):
                yield event
            if events and request.follow_events:
                for line in (await self._past(row))[-events:]:
                    yield watch.platform(line)
            if request.follow_logs and not request.resume_after_cursor and (tail or wanted.since):
                for line in await self._tail(row, tail or MOST_LINES, wanted, watch.offset):
                    yield watch.log(line)
            async for event in self._follow(watch, row):
                yield event
        finally:
            watch.close()

    async def _follow(self, watch: Watch, row: Sandbox) -> AsyncIterator[openshell_pb2.SandboxStreamEvent]:
        async with aclosing(self._rows(row)) as rows:
            coming = asyncio.ensure_future(_next(rows))
            try:
                while True:
                    await asyncio.wait({coming}, timeout=TICK if watch.request.follow_logs else None)
                    over = False
                    if coming.done():
                        now = coming.result()
                        over = now is None
                        if now is not None:
                            for event in watch.changed(now):
                                yield event
                            coming = asyncio.ensure_future(_next(rows))
                    over = over or (watch.request.stop_on_terminal and watch.row.phase in TERMINAL)
                    while found := watch.read():  # all that there is: whoever ends has written it
                        for event in found:
                            yield event
                    if over:
                        return
            finally:
                coming.cancel()
                await asyncio.wait({coming})

    async def _rows(self, row: Sandbox) -> AsyncGenerator[Sandbox, None]:
        """Yield a sandbox as it is and as it becomes, until it is deleted."""
        if ORIGIN not in row.annotations:
            async for now in self._engine.watch(row.id):
                yield now
            return
        while True:
            try:
                yield await self._engine.get(row.workspace, row.name)
            except NoSuchSandbox:
                return
            await asyncio.sleep(SLOW_TICK)


async def _next(rows: AsyncIterator[Sandbox]) -> Sandbox | None:
    return await anext(rows, None)


def _records(row: Sandbox) -> Iterator[str]:
    """Yield the paths of the records of a sandbox's runs, the newest first; others than that only when asked for."""

    def older() -> Iterator[str]:
        for view in runs.list_runs() if ORIGIN not in row.annotations else []:
            try:
                if view.id != row.run_id and view.meta().get("sandbox_id") == row.id:
                    yield view.path
            except StateError:
                continue

    try:
        return chain([record_of(row).path], older())
    except NoRecord:
        return older()


def _milliseconds(request: Any, field: str) -> int:
    """Return a time of a request in milliseconds since 1970; 0 where there is none. Raises UsageError."""
    if not request.HasField(field):
        return 0
    try:
        return int(getattr(request, field).ToMilliseconds())
    except ValueError as error:
        raise UsageError(f"{field} is no point in time: {error}") from None


def _count(number: int, field: str) -> int:
    if number > MOST_LINES:
        raise UsageError(f"{field} cannot be {number}: at most {MOST_LINES} are told at once")
    return number
