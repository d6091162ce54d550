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
MOST = 1000
"""Pieces of up to 64 KiB that are read at once."""
MOST_DESCRIPTORS = 256
"""Descriptors that may wait for their frames; who sends more than that has none for them."""
LOST = -1
"""In the place of a frame's descriptors."""
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

    def take(self, most: int | None = None) -> list[tuple[bytes, bytes, list[int]]]:
        """Return the frames that are there by now: kind, payload, descriptors. Sets ``ended`` at the end.

        The kernel keeps descriptors in the order of the bytes they came with, and delivers them not after these. Of
        somebody who never stops speaking not all is taken at once: at most so many pieces of up to 64 KiB. Where this
        process has no room for the descriptors of a frame, that has none.
        """
        frames = []
        for _ in range(most or MOST):
            if self.ended or not self._receive():
                break
            while (frame := self._frame()) is not None:
                frames.append(frame)
        return frames

    @property
    def size(self) -> int:
        """How many bytes there are of a frame that is not whole yet."""
        return len(self._data)

    def close(self) -> None:
        """Close descriptors that nobody took."""
        for fd in self._descriptors:
            if fd != LOST:
                os.close(fd)
        self._descriptors.clear()

    def _receive(self) -> bool:
        try:
            data, ancillary, flags, _ = self._connection.recvmsg(65536, _ROOM, _FLAGS)
        except BlockingIOError:
            return False
        except ConnectionResetError:
            data, ancillary, flags = b"", [], 0
        came: list[int] = []
        for _level, _kind, rights in ancillary:
            numbers = range(0, len(rights) - len(rights) % 4, 4)
            came += [int.from_bytes(rights[at : at + 4], "little") for at in numbers]
        if flags & _socket.MSG_CTRUNC:  # this process has no room for more: those of one frame, which come at once
            for fd in came:
                os.close(fd)
            came = [LOST]
        self._descriptors += came
        self.ended = not data or len(self._descriptors) > MOST_DESCRIPTORS
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
        if count and self._descriptors[:1] == [LOST]:
            del self._descriptors[0]
            return kind, payload, []
        descriptors, self._descriptors = self._descriptors[:count], self._descriptors[count:]
        return kind, payload, descriptors


class Outbox:
    """Frames to a socket that may have no room: ``send`` never waits, ``flush`` goes on where it stopped."""

    def __init__(self, connection: _socket.socket) -> None:
        """Write to this socket, which stays the caller's. Descriptors are kept as copies until they are sent."""
        self._connection = connection
        self._waiting: list[tuple[bytes, list[int]]] = []

    @property
    def waits(self) -> bool:
        """Whether something waits for room."""
        return bool(self._waiting)

    @property
    def size(self) -> int:
        """How many bytes wait for room."""
        return sum([len(data) for data, _ in self._waiting])

    def send(self, kind: bytes, payload: bytes = b"", descriptors: Sequence[int] = ()) -> None:
        """Send one frame, or as much of it as there is room for. Where nobody listens it is lost: the reader tells."""
        pieces = [wire.head(kind, len(payload), len(descriptors)), payload]
        if not self._waiting:
            sent = self._sent(pieces, descriptors)
            if sent == len(pieces[0]) + len(payload):
                return  # mostly, and what is long is not copied
            pieces, descriptors = [b"".join(pieces)[sent:]], () if sent else descriptors
        self._waiting.append((b"".join(pieces), [os.dup(fd) for fd in descriptors]))

    def flush(self) -> None:
        """Send what waits, as far as there is room."""
        while self._waiting:
            data, descriptors = self._waiting[0]
            sent = self._sent([data], descriptors)
            if not sent:
                return
            for fd in descriptors:
                os.close(fd)
            self._waiting[0] = data[sent:], []
            if sent == len(data):
                del self._waiting[0]

    def close(self) -> None:
        """Forget what waits."""
        for _, descriptors in self._waiting:
            for fd in descriptors:
                os.close(fd)
        self._waiting.clear()

    def _sent(self, pieces: list[bytes], descriptors: Sequence[int]) -> int:
        flags = _socket.MSG_DONTWAIT | _socket.MSG_NOSIGNAL
        try:
            return self._connection.sendmsg(pieces, wire.rights(descriptors), flags)
        except BlockingIOError:
            return 0
        except OSError:
            return sum([len(piece) for piece in pieces])
