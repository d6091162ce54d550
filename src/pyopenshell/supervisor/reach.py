"""How a gateway gets to a supervisor, and what it makes of its answers."""

from __future__ import annotations

import asyncio
import errno
import marshal
import os
import select
import signal
import socket
import time
from typing import TYPE_CHECKING

from pyopenshell.errors import SandboxGone, UsageError
from pyopenshell.launch import wire
from pyopenshell.supervisor import protocol
from pyopenshell.supervisor.connection import Connection, wake
from pyopenshell.zygote import failure

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from typing import Any, TypeVar

    T = TypeVar("T")

    from pyopenshell.supervisor.connection import Frame

PATIENCE = 10.0
"""Seconds in which a supervisor answers."""


async def reach(record: str) -> Connection:
    """Return a connection to the supervisor of a run, on which something can be asked.

    Raises SandboxGone, and OSError where this process has no descriptors left.
    """
    own = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        with open(f"{record}/{protocol.KEY}", "rb") as file:
            key = file.read()
        until = time.monotonic() + PATIENCE
        while True:
            try:
                _connect(own, record)
                break
            except BlockingIOError:  # very many come at once; or it was stopped
                if time.monotonic() > until:
                    raise
                await asyncio.sleep(0.005)
        own.sendall(wire.head(protocol.HELLO, len(key)) + key)
    except asyncio.CancelledError:
        own.close()
        raise
    except OSError as error:
        own.close()
        if error.errno in (errno.EMFILE, errno.ENFILE):  # that says nothing of the supervisor
            raise
        raise gone(record) from error
    return Connection(own)


def _connect(own: socket.socket, record: str) -> None:
    """Connect to a supervisor's socket. Raises OSError, EAGAIN where its queue is full."""
    folder = os.open(record, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        own.connect(f"/proc/self/fd/{folder}/{protocol.SOCKET}")
    finally:
        os.close(folder)


def signal_supervisor(record: str, number: int) -> int:
    """Send the supervisor of a run a signal (0: none); return its pid, or 0 where there is none.

    The pid is what the kernel says of the socket's other side (unix(7), SO_PEERCRED), not what a record says: that
    number may be another process's by now. The process with this one listens still.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as own:
        try:
            _connect(own, record)
            pid: int = wire.peer(own)[0]
            process = os.pidfd_open(pid)
        except OSError:
            return 0
        try:
            if select.select([own], [], [], 0)[0]:  # it has ended between, and the pid may be anybody's
                return 0
            if number:
                signal.pidfd_send_signal(process, number)
        except ProcessLookupError:
            return 0
        finally:
            os.close(process)
        return pid


async def within(seconds: float, record: str, answering: Awaitable[T]) -> T:
    """Return what a supervisor answers. Raises SandboxGone (``sandbox.silent``) where it does not in time."""
    try:
        async with asyncio.timeout(seconds):
            return await answering
    except TimeoutError:
        raise silent(record) from None


def answer(frame: Frame | None, wanted: bytes) -> Any:
    """Return the value of the answer. Raises what it says, SandboxGone where there is none."""
    if frame is None:
        raise SandboxGone("the sandbox's supervisor has ended", hint="openshell logs NAME shows what it wrote down")
    kind, payload, _ = frame
    value: Any = marshal.loads(payload) if payload else None  # noqa: S302 - from our supervisor
    if kind == protocol.FAILED:
        raise failure.unpack(value)
    if kind == protocol.GONE:
        raise SandboxGone(value["lost"] or "the sandbox was stopped")
    if kind != wanted:
        raise SandboxGone("the sandbox's supervisor speaks otherwise than this version of openshell")
    return value


def gone(record: str) -> SandboxGone:
    """Return the error for a supervisor that is not there any more."""
    return SandboxGone(
        f"the supervisor of run {os.path.basename(record)} does not answer",
        hint="openshell sandbox get NAME shows what became of the sandbox",
    )


def silent(record: str) -> SandboxGone:
    """Return the error for a supervisor that is there, and says nothing."""
    pid = signal_supervisor(record, 0)
    if not pid:
        return gone(record)
    return SandboxGone(
        f"the supervisor of run {os.path.basename(record)} (process {pid}) does not answer",
        hint=f"if it was stopped, kill -CONT {pid} lets it go on; openshell sandbox stop ends it, and its sandbox",
        code="sandbox.silent",
    )


def as_socket(fd: int) -> socket.socket:
    """Return a descriptor as a socket that does not block. Raises OSError where it is none, and has closed it then.

    It may come from inside the sandbox.
    """
    try:
        found = socket.socket(fileno=fd)
    except OSError:
        os.close(fd)
        raise
    found.setblocking(False)
    return found


def address(host: str) -> str:
    """Return the address of a host that there is in a sandbox: itself. Names are not looked up there. UsageError."""
    if host in ("localhost", ""):
        return "127.0.0.1"
    import ipaddress

    try:
        return str(ipaddress.ip_address(host))
    except ValueError as error:
        raise UsageError(f"{host!r} is no address in a sandbox", hint="use localhost, or an IP address") from error


async def connected(connection: socket.socket) -> None:
    """Wait until a connection that was begun is there. Raises OSError as connect(2)."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()
    loop.add_writer(connection, wake, future)
    try:
        await future
    finally:
        loop.remove_writer(connection)
    failed = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if failed:
        raise OSError(failed, os.strerror(failed))
