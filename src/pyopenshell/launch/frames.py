"""Frames on a socket of either side, with descriptors, read without ever waiting. Their shape is that of ``wire``."""

from __future__ import annotations

import _socket
import marshal
import os

from pyopenshell.launch import wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_FLAGS = _socket.MSG_DONTWAIT | _socket.MSG_CMSG_CLOEXEC
_ROOM = _socket.CMSG_SPACE(4 * wire.MAX_DESCRIPTORS)


def send(connection: _socket.socket, kind: bytes, value: Any = None, descriptors: Sequence[int] = ()) -> None:
    """Send one frame whole, with descriptors. Waits on a blocking socket. Raises OSError, EPIPE when nobody listens."""
    payload = b"" if value is None else marshal.dumps(value)
    data = wire.head(kind, len(payload), len(descriptors)) + payload
    sent = connection.sendmsg([data], wire.rights(descriptors), _socket.MSG_NOSIGNAL)
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
        try:
            data, ancillary, _, _ = self._connection.recvmsg(65536, _ROOM, _FLAGS)
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
        if len(self._data) < wire.HEAD:
            return None
        count, length = self._data[1], int.from_bytes(self._data[2 : wire.HEAD], "little")
        if length > wire.MAX_PAYLOAD:
            self.ended = True
            return None
        if len(self._data) < wire.HEAD + length:
            return None
        kind, payload = bytes(self._data[:1]), bytes(self._data[wire.HEAD : wire.HEAD + length])
        del self._data[: wire.HEAD + length]
        descriptors, self._descriptors = self._descriptors[:count], self._descriptors[count:]
        return kind, payload, descriptors
