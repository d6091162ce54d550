"""Frames on the control socket between supervisor, stem and init: kind, number of descriptors, length, payload.

Before the go byte payloads are ``marshal`` data of our own making. After it they are fixed-size integers: the
sandboxed program shares init's uid by then, so nothing that needs a parser is read from there.
"""

from __future__ import annotations

import _socket
import marshal
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

PLAN = b"A"
"""supervisor → init or stem: the launch plan (marshal), where it was not forked from the supervisor."""
INIT_PID = b"I"
"""stem → supervisor: init's pid as the supervisor's pid namespace sees it."""
SEEN = b"L"
"""supervisor → stem: init's namespaces were looked at, and it may change its uid."""
TERMINAL = b"M"
"""init → supervisor, with a descriptor: the master side of the sandbox's own terminal."""
FAILURE = b"F"
"""child → supervisor: a step failed (marshal: dict with step, errno, message)."""
ARRANGED = b"Y"
"""init's arranging child → supervisor, before ``RECEIPT``: a part of that (marshal)."""
RECEIPT = b"R"
"""init → supervisor: everything the kernel accepted (marshal)."""
GO = b"G"
"""supervisor → init: the receipt is good, exec."""
EXEC_FAILED = b"X"
"""init → supervisor: execve's errno."""
EXITED = b"E"
"""init → supervisor: the main process's wait status; of a program among several its number, and that."""
STOPPED = b"T"
"""init → supervisor: the main process was stopped by this signal."""
SIGNAL = b"S"
"""supervisor → init: send this signal to the main process group; among several (marshal) a number, and the signal."""
PROBE = b"P"
"""supervisor → init, with a descriptor: fork a probe that serves this connection."""
FILES = b"D"
"""supervisor → init, with a descriptor: fork a file agent (``launch.files``) that serves this connection."""
SPAWN = b"N"
"""supervisor → init, with descriptors: start a program (marshal: what ``launch.spawn`` wants, and its ``number``)."""
STARTED = b"B"
"""init → supervisor: a program's number, and its pid; or the negative errno of starting it, ``FOLDER`` less where it is
that of entering the folder to start it in, ``PTY`` less where there is no terminal."""
CONNECT = b"J"
"""supervisor → init (marshal: host, port): connect to somebody in the sandbox, and hand that back."""
CONNECTED = b"j"
"""init → supervisor, after a ``TERMINAL`` that carries the socket: 0, and 0 or an errno. It may be connecting still."""
END = b"K"
"""supervisor → init: kill the program with this number, and all that it started; and back, when nothing is left."""

HEAD = 6
"""Bytes of a frame before its payload: kind, number of descriptors that come with it, length of the payload."""
MAX_PAYLOAD = 16 << 20
MAX_DESCRIPTORS = 12
FOLDER, PTY = 4096, 8192
"""Beyond all errno."""


def head(kind: bytes, length: int, descriptors: int = 0) -> bytes:
    """Return what a frame begins with."""
    return kind + bytes([descriptors]) + length.to_bytes(4, "little")


def send(fd: int, kind: bytes, payload: bytes = b"") -> None:
    """Write one frame. Raises OSError, EPIPE when the other side is gone."""
    data = head(kind, len(payload)) + payload
    while data:
        data = data[os.write(fd, data) :]


def send_number(fd: int, kind: bytes, number: int) -> None:
    """Write one frame that holds a signed 32-bit number."""
    send(fd, kind, number.to_bytes(4, "little", signed=True))


def send_value(fd: int, kind: bytes, value: Any) -> None:
    """Write one frame that holds a plain value. Only before the go byte."""
    send(fd, kind, marshal.dumps(value))


def receive(fd: int) -> tuple[bytes, bytes] | None:
    """Read one frame, blocking. Returns None at the end of the stream, also in the middle of a frame."""
    data = read(fd, HEAD)
    if data is None:
        return None
    length = int.from_bytes(data[2:], "little")
    if length > MAX_PAYLOAD:
        return None
    payload = read(fd, length)
    return None if payload is None else (data[:1], payload)


def send_descriptor(control: _socket.socket, kind: bytes, fd: int) -> None:
    """Write one frame without a payload that carries a descriptor. Never waits: raises OSError, EAGAIN where it would.

    The six bytes travel whole or not at all: a stream's record with a descriptor is not split that small (unix(7)).
    """
    control.sendmsg([head(kind, 0, 1)], rights((fd,)), _socket.MSG_DONTWAIT)


def rights(descriptors: Iterable[int]) -> list[tuple[int, int, bytes]]:
    """Return the ancillary data that carries descriptors (unix(7), SCM_RIGHTS)."""
    numbers = b"".join([fd.to_bytes(4, "little") for fd in descriptors])
    return [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, numbers)] if numbers else []


def receive_descriptor(control: _socket.socket) -> tuple[bytes, bytes, int] | None:
    """Read one frame, blocking, with the descriptor it carries, else -1. Returns None as ``receive``."""
    try:
        flags = _socket.MSG_WAITALL | _socket.MSG_CMSG_CLOEXEC
        data, ancillary, _, _ = control.recvmsg(HEAD, _socket.CMSG_SPACE(4), flags)
    except ConnectionResetError:
        return None
    fd = int.from_bytes(ancillary[0][2][:4], "little") if ancillary else -1
    if len(data) < HEAD or int.from_bytes(data[2:], "little") > MAX_PAYLOAD:
        return None
    payload = read(control.fileno(), int.from_bytes(data[2:], "little"))
    return None if payload is None else (data[:1], payload, fd)


def number(payload: bytes) -> int:
    """Return the number of a frame sent with ``send_number``."""
    return int.from_bytes(payload[:4], "little", signed=True)


def read(fd: int, count: int) -> bytes | None:
    """Read exactly this many bytes, or return None at the end of the stream."""
    data = b""
    while len(data) < count:
        try:
            piece = os.read(fd, count - len(data))
        except ConnectionResetError:
            return None
        if not piece:
            return None
        data += piece
    return data


def peer(connection: _socket.socket) -> tuple[int, int]:
    """Return pid and uid of who is at the other end of a Unix socket, as the kernel saw it (unix(7), SO_PEERCRED)."""
    seen = connection.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)
    return int.from_bytes(seen[:4], "little", signed=True), int.from_bytes(seen[4:8], "little")
