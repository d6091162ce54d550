"""A connection to a file agent: requests go out as there is room, answers come back in their order.

The agent runs inside the sandbox. What it says is a stranger's: sizes are bounded, shapes are checked, and one wrong
word ends the connection.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from pyopenshell.errors import OpenShellError, SandboxGone
from pyopenshell.gateway.files import answers
from pyopenshell.launch import files_wire as wire

if TYPE_CHECKING:
    from asyncio import Future, StreamReader, StreamWriter, Task

AT_ONCE = 16
"""Requests that may be under way: at most so many chunks are held for a connection."""
QUIET = 120
"""Seconds without an answer, where one is due, after which the agent counts as gone (somebody inside stopped it)."""
_PASS_RIGHTS = 83
"""SO_PASSRIGHTS of asm-generic/socket.h, Linux 6.16: whether descriptors can be received."""


class _Due:
    """An answer that is due."""

    __slots__ = ("about", "future", "most", "operation", "took_room")

    def __init__(self, operation: int, about: str, future: Future[list[Any]], most: int, *, took_room: bool) -> None:
        self.operation, self.about, self.future, self.took_room = operation, about, future, took_room
        self.most = most
        """Bytes that were asked for: what comes beyond them could be taken for something else (SCP)."""


class Connection:
    """A connected socket whose other end an agent serves. An asynchronous context manager, which closes it."""

    def __init__(self, connection: socket.socket) -> None:
        """Take over the socket."""
        self._socket = connection
        self._waiting: deque[_Due] = deque()
        self._room = asyncio.Semaphore(AT_ONCE)
        self._failure: OpenShellError | None = None
        self._heard = 0.0
        self._writer: StreamWriter
        self._tasks: list[Task[None]] = []

    async def __aenter__(self) -> Self:
        """Begin."""
        # Closing a descriptor that came uninvited can take as long as its sender likes (SO_LINGER, socket(7)).
        with suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, _PASS_RIGHTS, 0)
        self._socket.setblocking(False)
        reader, self._writer = await asyncio.open_unix_connection(sock=self._socket, limit=wire.MAX_BODY)
        self._tasks = [asyncio.create_task(self._listen(reader)), asyncio.create_task(self._watch())]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connection, which ends the agent."""
        self._fail(SandboxGone("the connection to the file agent was closed", code="files.closed"))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def ask(self, operation: int, *values: Any, about: bytes = b"") -> list[Any]:
        """Send a request and return what is answered. ``about``: the path that an error is to name.

        Raises OSError as the agent met it, SandboxGone, and OpenShellError for an answer that makes no sense.
        """
        return await (await self.send(operation, *values, about=about))

    async def send(self, operation: int, *values: Any, about: bytes = b"") -> Future[list[Any]]:
        """Send a request, as soon as there is room, and return where its answer will be. Raises as ``ask``."""
        try:
            body = wire.pack(wire.REQUESTS[operation], *values)
        except OverflowError as error:
            raise OSError(errno.EOVERFLOW, os.strerror(errno.EOVERFLOW), os.fsdecode(about) or None) from error
        if len(body) > wire.MAX_BODY:
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), os.fsdecode(about[:80]) or None)
        await self._room.acquire()
        most = values[2] if operation == wire.READ else wire.MAX_BODY
        future = self._put(operation, body, os.fsdecode(about), most, took_room=True)
        with suppress(ConnectionError):  # the future has it
            await self._writer.drain()
        return future

    def forget(self, handle: int) -> None:
        """Have a handle closed without waiting for it."""
        if self._failure is None:
            body = wire.pack(wire.REQUESTS[wire.CLOSE], handle)
            self._put(wire.CLOSE, body, "", 0, took_room=False)

    def _put(self, operation: int, body: bytes, about: str, most: int, *, took_room: bool) -> Future[list[Any]]:
        if self._failure is not None:
            if took_room:
                self._room.release()
            raise _again(self._failure)
        loop = asyncio.get_running_loop()
        if not self._waiting:
            self._heard = loop.time()
        future: Future[list[Any]] = loop.create_future()
        future.add_done_callback(seen)
        self._waiting.append(_Due(operation, about, future, most, took_room=took_room))
        self._writer.write(wire.head(len(body), operation) + body)
        return future

    async def _listen(self, reader: StreamReader) -> None:
        try:
            while True:
                length, number = wire.split(await reader.readexactly(wire.HEAD))
                if length > wire.MAX_BODY or not self._waiting or (number and length):
                    raise answers.Nonsense
                body = await reader.readexactly(length)
                self._heard = asyncio.get_running_loop().time()
                due = self._waiting[0]
                outcome = (
                    OSError(number, os.strerror(number), due.about or None)
                    if number
                    else answers.checked(due.operation, body)
                )
                if due.operation == wire.READ and isinstance(outcome, list) and len(outcome[0]) > due.most:
                    raise answers.Nonsense
                self._settle(outcome)
        except (OSError, asyncio.IncompleteReadError):
            self._fail(SandboxGone("the sandbox's file agent has ended", code="files.gone"))
        except ValueError:
            self._fail(OpenShellError("the sandbox's file agent answers what makes no sense", code="files.nonsense"))

    async def _watch(self) -> None:
        """End a connection that has been quiet for too long."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(QUIET / 4)
            if self._waiting and loop.time() - self._heard > QUIET:
                self._fail(SandboxGone(f"the sandbox's file agent did not answer for {QUIET} s", code="files.silent"))
                return

    def _fail(self, failure: OpenShellError) -> None:
        """Tell everybody who waits, or will ask, and close."""
        if self._failure is None:
            self._failure = failure
        while self._waiting:
            self._settle(_again(self._failure))
        self._writer.transport.abort()

    def _settle(self, outcome: list[Any] | Exception) -> None:
        """Give the first answer that is due."""
        due = self._waiting.popleft()
        if due.took_room:
            self._room.release()
        if due.future.done():  # nobody waits any more
            return
        if isinstance(outcome, Exception):
            due.future.set_exception(outcome)
        else:
            due.future.set_result(outcome)


def _again(failure: OpenShellError) -> OpenShellError:
    """Return the same failure for somebody else: an exception that is raised twice carries both tracebacks."""
    return type(failure)(failure.message, code=failure.code)


def seen(future: Future[list[Any]]) -> None:
    """Take note of an error, so that asyncio does not complain where nobody waits for it any more."""
    if not future.cancelled():
        future.exception()
