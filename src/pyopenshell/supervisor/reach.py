"""How a gateway gets to a supervisor, and what it makes of its answers."""

from __future__ import annotations

import asyncio
import marshal
import os
import socket
from typing import TYPE_CHECKING

from pyopenshell.errors import SandboxGone, UsageError
from pyopenshell.launch import wire
from pyopenshell.supervisor import protocol
from pyopenshell.supervisor.connection import Connection, wake
from pyopenshell.zygote import failure

if TYPE_CHECKING:
    from typing import Any

    from pyopenshell.supervisor.connection import Frame


async def reach(record: str) -> Connection:
    """Return a connection to the supervisor of a run, on which something can be asked. Raises SandboxGone."""
    own = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    folder = -1
    try:
        folder = os.open(record, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        with open(f"{record}/{protocol.KEY}", "rb") as file:
            key = file.read()
        # Non-blocking: a queue that is full (EAGAIN) is that of a supervisor that was stopped.
        own.connect(f"/proc/self/fd/{folder}/{protocol.SOCKET}")
        own.sendall(wire.head(protocol.HELLO, len(key)) + key)
    except OSError as error:
        own.close()
        raise gone(record) from error
    finally:
        if folder >= 0:
            os.close(folder)
    return Connection(own)


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


def as_socket(fd: int) -> socket.socket:
    """Return a descriptor as a socket that does not block."""
    found = socket.socket(fileno=fd)
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
