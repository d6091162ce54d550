"""``ExecSandbox`` and ``ExecSandboxInteractive``: programs in a sandbox, followed by who asked for them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from openshell._proto import openshell_pb2

from pyopenshell.errors import CommandError, UsageError
from pyopenshell.gateway import limits, validate
from pyopenshell.gateway.scope import workspace_of
from pyopenshell.supervisor.session import Ended, Output, Program

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import Any

    from grpc.aio import ServicerContext

    from pyopenshell.gateway.engine import Engine
    from pyopenshell.supervisor.session import Session

    Context = ServicerContext[Any, Any]
    Event = openshell_pb2.ExecSandboxEvent

TIMED_OUT, SIGNAL = "pyopenshell-timed-out", "pyopenshell-signal"
"""Trailing metadata that tells a timeout, and the signal a program died of, from an exit code."""


class ExecService:
    """Programs in sandboxes."""

    def __init__(self, engine: Engine) -> None:
        """Serve the sandboxes of an engine."""
        self._engine = engine

    async def ExecSandbox(  # noqa: N802
        self, request: openshell_pb2.ExecSandboxRequest, context: Context
    ) -> AsyncIterator[Event]:
        """Run a program, and stream what it writes. Who goes away ends it."""
        program = _program(request, stdin=bool(request.stdin))
        started = await self._started(request, program)
        if not isinstance(started, CommandError):
            writing = asyncio.create_task(_write(started, request.stdin))
            try:
                async for event in self._followed(started, context):
                    yield event
            finally:
                writing.cancel()
            return
        for event in _not_started(started):
            yield event

    async def ExecSandboxInteractive(  # noqa: N802
        self, requests: AsyncIterator[openshell_pb2.ExecSandboxInput], context: Context
    ) -> AsyncIterator[Event]:
        """Run a program that reads what the client sends, with a terminal where that is wanted."""
        first = await anext(aiter(requests), None)
        if first is None or first.WhichOneof("payload") != "start":
            raise UsageError("the first message must be `start`", code="exec.start")
        program = _program(first.start, stdin=True)
        started = await self._started(first.start, program)
        if isinstance(started, CommandError):
            for event in _not_started(started):
                yield event
            return
        feeding = asyncio.create_task(_feed(started, requests, first.start.stdin))
        try:
            async for event in self._followed(started, context):
                yield event
        finally:
            feeding.cancel()

    async def _started(self, request: openshell_pb2.ExecSandboxRequest, program: Program) -> Session | CommandError:
        supervised = await self._engine.supervised(workspace_of(request), request.sandbox)
        try:
            return await supervised.start(program)
        except CommandError as error:  # as a shell: the program's own errors have exit codes
            return error

    async def _followed(self, session: Session, context: Context) -> AsyncIterator[Event]:
        is_over = False
        try:
            async for told in session:
                if isinstance(told, Output):
                    piece = {"data": told.data}
                    yield openshell_pb2.ExecSandboxEvent(**{"stdout" if told.stream == 1 else "stderr": piece})
                elif isinstance(told, Ended):
                    is_over = True
                    _tell(context, told)
                    yield openshell_pb2.ExecSandboxEvent(exit={"exit_code": told.code})
        finally:
            if not is_over:
                await asyncio.shield(self._abandon(session))

    async def _abandon(self, session: Session) -> None:
        """Kill a program whose client has gone; but not because this gateway ends."""
        if not self._engine.is_closing:
            await session.cancel()
        session.detach()


def _program(request: openshell_pb2.ExecSandboxRequest, *, stdin: bool) -> Program:
    """Return what is to be run. Raises UsageError."""
    validate.argv(request.command)
    validate.environment(request.environment, "environment")
    validate.text(request.workdir, "workdir", limits.PATH - 1)
    timeout = None
    if request.HasField("execution_timeout"):
        timeout = validate.duration(request.execution_timeout, "execution_timeout")
    terminal = validate.terminal(request.rows, request.cols) if request.tty else None
    return Program(
        argv=tuple(request.command),
        env=dict(request.environment),
        cwd=request.workdir or None,
        terminal=terminal,
        timeout=timeout,
        stdin=stdin,
    )


def _not_started(error: CommandError) -> list[Event]:
    """Return what a shell would say, and its exit code."""
    text = "openshell: " + "".join(f"{line}\n" for line in error.lines())
    return [
        openshell_pb2.ExecSandboxEvent(stderr={"data": text.encode()}),
        openshell_pb2.ExecSandboxEvent(exit={"exit_code": error.exit_code}),
    ]


def _tell(context: Context, ended: Ended) -> None:
    if ended.timed_out:
        context.set_trailing_metadata(((TIMED_OUT, "1"),))
    elif ended.signal is not None:
        context.set_trailing_metadata(((SIGNAL, str(ended.signal)),))


async def _write(session: Session, data: bytes) -> None:
    if data:
        await session.write(data)
        await session.eof()


async def _feed(session: Session, requests: AsyncIterator[openshell_pb2.ExecSandboxInput], first: bytes) -> None:
    """Pass on what the client sends. Where it sends no more there is no more to read."""
    if first:
        await session.write(first)
    with suppress(asyncio.CancelledError):
        async for request in requests:
            kind = request.WhichOneof("payload")
            if kind == "stdin":
                await session.write(request.stdin)
            elif kind == "resize" and 0 < request.resize.rows <= 0xFFFF and 0 < request.resize.cols <= 0xFFFF:
                await session.resize(request.resize.rows, request.resize.cols)
        await session.eof()
