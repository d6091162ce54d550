"""One request of HTTP/1 to a program in a sandbox.

The request's head is read here, to take away what is not the program's to see, and so that one connection carries one
request, or one upgraded protocol such as WebSocket (RFC 6455). What follows is relayed as it comes, both ways.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from typing import TYPE_CHECKING

from pyopenshell.errors import OpenShellError

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable

HEAD, HEAD_SECONDS = 32 << 10, 30.0
"""The largest head of a request, in bytes, and how long one may take."""
_CHUNK = 64 << 10
_REQUEST = re.compile(rb"[!-~]+ [!-~]+ HTTP/1\.[01]")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[^\r\n\0]*")
_HOST = re.compile(rb"host:[ \t]*(127\.0\.0\.1|localhost|\[::1\])(:[0-9]+)?[ \t]*", re.IGNORECASE)
"""How a client on this host names it. A page in its browser cannot read under a name of its own (DNS rebinding)."""
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2})( [^\r\n\0]*)?")
_SWITCHES = 101
_CONNECTION = (b"connection", b"keep-alive", b"proxy-connection")


async def carry(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    connect: Callable[[], Awaitable[socket.socket]],
    *,
    with_authorization: bool = False,
) -> None:
    """Carry a client's request to the program that ``connect`` reaches, and its answer back; or say why not."""
    try:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), HEAD_SECONDS)
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError, ConnectionError):
        return
    passed = passed_on(head, with_authorization=with_authorization)
    if passed is None:
        await refuse(writer, "400 Bad Request", "this is not a request of HTTP/1 to 127.0.0.1 or localhost")
        return
    try:
        connection = await connect()
    except OpenShellError as error:
        await refuse(writer, "503 Service Unavailable", error.message)
        return
    except OSError as error:
        await refuse(writer, "502 Bad Gateway", f"the program in the sandbox cannot be reached: {error.strerror}")
        return
    from_program, to_program = await asyncio.open_connection(sock=connection, limit=HEAD)
    to_program.write(passed)
    upwards = asyncio.create_task(_relay(reader, to_program))
    try:
        if await _answer(from_program, writer):
            await _relay(from_program, writer)
    finally:
        upwards.cancel()
        to_program.transport.abort()


def passed_on(head: bytes, *, with_authorization: bool) -> bytes | None:
    """Return a request's head as the program is to see it; None where it is none of HTTP/1 to this host.

    Lines that continue a field (RFC 9112, section 5.2) and bare line ends are refused: servers differ about them.
    """
    request, *fields = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    named = [(match[1].lower(), field) for field in fields if (match := _FIELD.fullmatch(field))]
    if not _REQUEST.fullmatch(request) or len(named) < len(fields):
        return None
    if not all(_HOST.fullmatch(field) for name, field in named if name == b"host"):
        return None
    names = {name for name, _ in named}
    dropped = {b"proxy-authorization"} | (set() if with_authorization else {b"authorization"})
    closing = []
    if b"upgrade" not in names:
        dropped.update(_CONNECTION)
        closing = [b"Connection: close"]
    return b"\r\n".join([request, *(field for name, field in named if name not in dropped), *closing, b"", b""])


async def _answer(program: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Pass on the head of an answer, with those before it (1xx); return whether there was one of HTTP/1.

    But for an upgrade it tells the client to close. A program that did not would be sent the next request as it is.
    """
    status = 100
    while 100 <= status < 200 and status != _SWITCHES:
        try:
            head = await program.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            head = b""
        first, *fields = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
        named = [(match[1].lower(), field) for field in fields if (match := _FIELD.fullmatch(field))]
        answer = _STATUS.fullmatch(first)
        if not answer or len(named) < len(fields):
            await refuse(writer, "502 Bad Gateway", "the program in the sandbox does not answer in HTTP/1")
            return False
        status = int(answer[1])
        if status != _SWITCHES:
            kept = [field for name, field in named if name not in (*_CONNECTION, b"upgrade")]
            head = b"\r\n".join([first, *kept, *([b"Connection: close"] if status >= 200 else []), b"", b""])
        writer.write(head)
        with suppress(ConnectionError):
            await writer.drain()
    return True


async def refuse(writer: asyncio.StreamWriter, status: str, why: str) -> None:
    """Answer with a status and one line of text."""
    body = f"{why}\n".encode("ascii", "backslashreplace")
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    with suppress(ConnectionError):
        writer.write(head.encode() + body)
        await writer.drain()


async def _relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on what comes, no faster than it is taken, and then the end."""
    with suppress(ConnectionError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
