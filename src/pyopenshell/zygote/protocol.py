"""What a process and its zygote say to each other. Both are ours and trust each other; nothing sandboxed speaks here.

Three kinds of sockets, all unnamed:

- the *door* (SOCK_SEQPACKET), one per process: each message is ``CONNECT`` with one descriptor, a connection;
- a *connection* (SOCK_STREAM), one per sandbox: the owner sends ``CREATE`` once, is answered ``READY``, or ``FAILED``,
  sends any number of ``COMMAND``, each with a socket of its own, and ``CLOSE``, which is answered ``ENDED``;
- a *command's* socket (SOCK_STREAM): the zygote sends ``BEGUN`` or ``FAILED``, ``TERMINAL`` where it has a terminal,
  and at the end ``EXITED``; the owner may send ``SIGNAL``.

Whoever closes, or dies, has closed: a connection at its end closes the sandbox, a command's socket at its end (also one
that was only shut down for writing) has the command killed, with all that it started. After ``EXITED`` of a command,
and after ``ENDED``, the zygote closes its end too. A frame is one byte for
its kind, one for the number of descriptors that come with it, four for the length of its payload, which is ``marshal``
data.
"""

from __future__ import annotations

import _socket
import marshal
import os

from pyopenshell.launch import wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

CONNECT = b"C"
"""owner → zygote, on the door, with a descriptor: a connection."""
CREATE = b"K"
"""owner → zygote: ``{"request": RunRequest as a dict, "policy": (file, text) or None, "environ": {}, "cwd": str}``."""
READY = b"Y"
"""zygote → owner: the sandbox holds: ``{"name", "run_id", "record" (its folder), "pid" (of its first process)}``."""
FAILED = b"F"
"""zygote → owner: ``errors.pack`` of what went wrong. On a command's socket: it did not start."""
COMMAND = b"X"
"""owner → zygote, with descriptors (the command's socket, then stdin, stdout, stderr unless it has a terminal):
``{"argv": [...], "env": {...} (over the sandbox's own), "cwd": str or None, "terminal": (rows, columns) or None}``."""
CLOSE = b"Z"
"""owner → zygote: end the sandbox and everything in it."""
ENDED = b"N"
"""zygote → owner: it has ended: ``{"lost": why, where it ended by itself, or None, "troubles": [...],
"survivors": [...]}``. Also unasked."""
BEGUN = b"B"
"""zygote → owner, on a command's socket: it runs: ``{"pid": in the sandbox}``."""
TERMINAL = b"M"
"""zygote → owner, on a command's socket, with a descriptor: the master side of its terminal."""
EXITED = b"E"
"""zygote → owner, on a command's socket: ``{"status": wait status}``; nothing of the command is left that belongs
to its process group or session."""
SIGNAL = b"S"
"""owner → zygote, on a command's socket: send this signal (a number) to the command's process group."""

HEAD = 6
"""Bytes before the payload."""
MAX_DESCRIPTORS = 4
DOOR = 3
"""The zygote's end of the door."""


def send(connection: _socket.socket, kind: bytes, value: Any = None, descriptors: Sequence[int] = ()) -> None:
    """Send one frame whole, with descriptors. Waits on a blocking socket. Raises OSError, EPIPE when nobody listens."""
    payload = b"" if value is None else marshal.dumps(value)
    data = kind + bytes([len(descriptors)]) + len(payload).to_bytes(4, "little") + payload
    rights = b"".join(fd.to_bytes(4, "little") for fd in descriptors)
    ancillary = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, rights)] if rights else []
    sent = connection.sendmsg([data], ancillary, _socket.MSG_NOSIGNAL)
    if sent < len(data):
        connection.sendall(data[sent:], _socket.MSG_NOSIGNAL)


class Reader:
    """Frames from a socket that may bring half of one: ``take`` never waits."""

    def __init__(self, connection: _socket.socket) -> None:
        """Read from this socket, which stays the caller's."""
        self._connection = connection
        self._data = bytearray()
        self._descriptors: list[int] = []
        self.ended = False

    def take(self) -> list[tuple[bytes, bytes, list[int]]]:
        """Return the frames that are there by now: kind, payload, descriptors. Sets ``ended`` at the end.

        The kernel keeps descriptors in the order of the bytes they came with, and delivers them not after these.
        """
        frames = []
        while not self.ended and self._receive():
            while (frame := self._frame()) is not None:
                frames.append(frame)
        return frames

    def close(self) -> None:
        """Close descriptors that nobody took."""
        while self._descriptors:
            os.close(self._descriptors.pop())

    def _receive(self) -> bool:
        flags = _socket.MSG_DONTWAIT | _socket.MSG_CMSG_CLOEXEC
        try:
            data, ancillary, _, _ = self._connection.recvmsg(65536, _socket.CMSG_SPACE(4 * MAX_DESCRIPTORS), flags)
        except BlockingIOError:
            return False
        except ConnectionResetError:
            data, ancillary = b"", []
        for _level, _kind, rights in ancillary:
            numbers = range(0, len(rights) - len(rights) % 4, 4)
            self._descriptors += [int.from_bytes(rights[at : at + 4], "little") for at in numbers]
        self.ended = not data
        self._data += data
        return bool(data)

    def _frame(self) -> tuple[bytes, bytes, list[int]] | None:
        if len(self._data) < HEAD:
            return None
        count, length = self._data[1], int.from_bytes(self._data[2:HEAD], "little")
        if length > wire.MAX_PAYLOAD:
            self.ended = True
            return None
        if len(self._data) < HEAD + length:
            return None
        kind, payload = bytes(self._data[:1]), bytes(self._data[HEAD : HEAD + length])
        del self._data[: HEAD + length]
        descriptors, self._descriptors = self._descriptors[:count], self._descriptors[count:]
        return kind, payload, descriptors
