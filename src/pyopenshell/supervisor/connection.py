"""A connection to a supervisor, for an event loop: frames that are waited for, one by one."""

from __future__ import annotations

import asyncio
import marshal
import os
import socket
from collections import deque
from typing import TYPE_CHECKING, Any

from pyopenshell.launch import wire

if TYPE_CHECKING:
    from collections.abc import Sequence

    Frame = tuple[bytes, bytes, list[int]]
    """Kind, payload, descriptors."""

JOINED = 1 << 18
"""Bytes of output that are handed on at once, at most: each message costs as much as many bytes do."""
_PIECE = 1 << 18
_ROOM = socket.CMSG_SPACE(4 * wire.MAX_DESCRIPTORS)


class Connection:
    """One socket. Not more is read than is asked for: who takes nothing slows the other side down."""

    def __init__(self, own: socket.socket) -> None:
        """Take over a connected socket."""
        own.setblocking(False)
        self._socket = own
        self._fd = own.fileno()
        self._data = b""
        self._frames: deque[Frame] = deque()
        self._descriptors: list[int] = []
        self._sending = asyncio.Lock()

    async def receive(self) -> Frame | None:
        """Return the next frame: kind, payload, descriptors. None: the other side has closed."""
        while not self._frames:
            if self._fd < 0:
                return None
            try:
                data, ancillary, _, _ = self._socket.recvmsg(_PIECE, _ROOM, socket.MSG_CMSG_CLOEXEC)
            except BlockingIOError:
                await self._ready(asyncio.get_running_loop().add_reader, asyncio.get_running_loop().remove_reader)
                continue
            except OSError:
                return None
            if not data:
                return None
            for _level, _kind, rights in ancillary:
                numbers = range(0, len(rights) - len(rights) % 4, 4)
                self._descriptors += [int.from_bytes(rights[at : at + 4], "little") for at in numbers]
            self._data = self._data + data if self._data else data
            self._parse()
        return self._frames.popleft()

    def joined(self, kind: bytes, payload: bytes) -> bytes:
        """Return a payload with those of its kind that came right after it and are here already, up to ``JOINED``."""
        pieces, size = [payload], len(payload)
        while self._frames and self._frames[0][0] == kind and size + len(self._frames[0][1]) <= JOINED:
            pieces.append(self._frames.popleft()[1])
            size += len(pieces[-1])
        return b"".join(pieces) if len(pieces) > 1 else payload

    def _parse(self) -> None:
        data, at = self._data, 0
        while len(data) - at >= wire.HEAD:
            count, length = data[at + 1], int.from_bytes(data[at + 2 : at + wire.HEAD], "little")
            end = at + wire.HEAD + length
            if len(data) < end:
                break
            taken, self._descriptors = self._descriptors[:count], self._descriptors[count:]
            self._frames.append((data[at : at + 1], data[at + wire.HEAD : end], taken))
            at = end
        self._data = data[at:]

    async def send(self, kind: bytes, value: Any = None) -> None:
        """Send a frame. Raises OSError (EPIPE) where nobody listens any more."""
        await self.send_raw(kind, b"" if value is None else marshal.dumps(value))

    async def send_raw(self, kind: bytes, payload: bytes, descriptors: Sequence[int] = ()) -> None:
        """Send a frame with a payload as it is. Raises OSError."""
        data = memoryview(wire.head(kind, len(payload), len(descriptors)) + payload)
        async with self._sending:
            while data:
                try:
                    sent = self._socket.sendmsg([data], wire.rights(descriptors), socket.MSG_NOSIGNAL)
                except BlockingIOError:
                    loop = asyncio.get_running_loop()
                    await self._ready(loop.add_writer, loop.remove_writer)
                    continue
                data, descriptors = data[sent:], ()

    def send_last(self, kind: bytes) -> None:
        """Send a frame without a payload if there is room for it, and nobody is sending."""
        if self._fd >= 0 and not self._sending.locked():
            try:
                self._socket.send(wire.head(kind, 0), socket.MSG_NOSIGNAL)
            except OSError:  # nobody listens; or somebody who was stopped, and will find the connection closed
                pass

    async def _ready(self, add: Any, remove: Any) -> None:
        if self._fd < 0:
            raise BrokenPipeError
        future = asyncio.get_running_loop().create_future()
        add(self._fd, wake, future)
        try:
            await future
        finally:
            if self._fd >= 0:
                remove(self._fd)

    def close(self) -> None:
        """Close it."""
        if self._fd >= 0:
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._fd)
            loop.remove_writer(self._fd)
            self._fd = -1
            self._socket.close()
            for fd in (*self._descriptors, *(fd for frame in self._frames for fd in frame[2])):
                os.close(fd)
            self._descriptors.clear()
            self._frames.clear()


def wake(future: asyncio.Future[None]) -> None:
    """Let who waits go on."""
    if not future.done():
        future.set_result(None)
