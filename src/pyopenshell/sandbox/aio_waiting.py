"""Waiting, for tasks of an event loop: with its readers and writers, on the same descriptors, without a thread.

Nothing is left registered between two waits, so that whatever is cancelled, or forgotten, leaves nothing behind.
"""

from __future__ import annotations

import _socket
import asyncio
import fcntl
import marshal
import os
import select
import time

from pyopenshell.launch import wire
from pyopenshell.sandbox import request
from pyopenshell.sandbox.link import REASON
from pyopenshell.sandbox.waiting import PATIENCE
from pyopenshell.zygote import own_ends

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from pyopenshell.errors import SandboxGone
    from pyopenshell.sandbox.command import Command
    from pyopenshell.sandbox.exchange import Exchange
    from pyopenshell.sandbox.job import Job
    from pyopenshell.sandbox.link import Link
    from pyopenshell.sandbox.result import Result


async def ready(interest: Mapping[int, int], deadline: float | None = None) -> dict[int, int]:
    """Wait for one of these descriptors. Returns what is ready, as poll(2) says it; nothing at the deadline."""
    loop = asyncio.get_running_loop()
    woken: asyncio.Future[None] = loop.create_future()
    found: dict[int, int] = {}

    def wake(fd: int, event: int) -> None:
        if event:
            found[fd] = found.get(fd, 0) | event
        if not woken.done():
            woken.set_result(None)

    timer = None if deadline is None else loop.call_later(max(0, deadline - time.monotonic()), wake, -1, 0)
    try:
        for fd, events in interest.items():
            if events & select.POLLIN:
                loop.add_reader(fd, wake, fd, select.POLLIN)
            if events & select.POLLOUT:
                loop.add_writer(fd, wake, fd, select.POLLOUT)
        await woken
    finally:
        for fd, events in interest.items():
            if events & select.POLLIN:
                loop.remove_reader(fd)
            if events & select.POLLOUT:
                loop.remove_writer(fd)
        if timer:
            timer.cancel()
    return found


async def passable(socket: _socket.socket, deadline: float | None, event: int = select.POLLIN) -> bool:
    """Wait for a socket for which other tasks may be waiting too. Returns False at the deadline."""
    fd = fcntl.fcntl(
        socket.fileno(), fcntl.F_DUPFD_CLOEXEC, own_ends.STREAMS + 1
    )  # a loop knows one reader for each descriptor
    try:
        return bool(await ready({fd: event}, deadline))
    finally:
        os.close(fd)


async def step(exchange: Exchange, deadline: float | None) -> bool:
    """Wait for something to pass, and let it. Returns False where nothing did before the deadline."""
    found = await ready(exchange.interest(), deadline)
    for fd, events in found.items():
        exchange.ready(fd, events)
    return bool(found)


async def finish(exchange: Exchange) -> None:
    """Kill a command, and wait until nothing of it is left. In a fork of its process nothing is done."""
    if exchange.command.socket.fileno() < 0:
        return
    exchange.command.cancel()
    deadline = time.monotonic() + PATIENCE
    while not exchange.over and await step(exchange, deadline):
        pass


async def until_begun(command: Command) -> None:
    """Wait until a command runs, or is over."""
    command.take()
    while not (command.begun or command.over):
        await passable(command.socket, None)
        command.take()


async def until_over(command: Command) -> None:
    """Wait until a command is over."""
    command.take()
    while not command.over:
        await passable(command.socket, None)
        command.take()


async def told(link: Link, timeout: float | None, *, to_end: bool = True) -> None:
    """Wait until a sandbox is over; or, unless ``to_end``, until it is ready."""
    deadline = None if timeout is None else time.monotonic() + timeout
    while not link.has_come(to_end=to_end) and link.socket.fileno() >= 0:
        if not await passable(link.socket, deadline):
            return


async def gone(link: Link) -> SandboxGone:
    """Return the error that says why a sandbox is not there, waiting for the reason where it is on its way."""
    if not link.closed and link.pid == os.getpid():
        await told(link, REASON)
    return link.explain()


async def outcome(job: Job) -> Result:
    """Return how a command that is over ended. Raises what kept it from starting, SandboxGone, CommandFailed."""
    if job.command.lost:
        raise await gone(job.link)
    return job.result()


async def send(link: Link, turn: asyncio.Lock, kind: bytes, value: Any = None, descriptors: Sequence[int] = ()) -> None:
    """Send a frame, one task at a time. Raises SandboxGone. A task that is cancelled has sent all of it, or nothing."""
    payload = b"" if value is None else marshal.dumps(value)
    frame = wire.head(kind, request.checked(len(payload)), len(descriptors)) + payload
    try:
        async with turn:
            await send_all(link, memoryview(frame), wire.rights(descriptors))
    except (BrokenPipeError, ConnectionResetError) as error:
        raise await gone(link) from error


async def send_all(link: Link, data: memoryview, rights: Sequence[tuple[int, int, bytes]] = ()) -> None:
    """Send this, with descriptors. A task that is cancelled has sent all of it, or nothing. Raises OSError."""
    begun = False
    while data:
        try:
            data = data[link.socket.sendmsg([data], rights, _socket.MSG_NOSIGNAL | _socket.MSG_DONTWAIT) :]
            begun, rights = True, ()
        except BlockingIOError:
            try:
                await passable(link.socket, None, select.POLLOUT)
            except BaseException:
                if begun:
                    link.socket.sendall(data, _socket.MSG_NOSIGNAL)
                raise
