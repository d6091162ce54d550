"""What an SSH server writes to instead of a socket: a queue that the client's stream is fed from.

asyncssh writes without waiting, and does nothing when a transport asks it to pause. Whatever makes bytes for a client
therefore waits here for room first; so a client that does not read costs a bounded amount of memory.
"""

from __future__ import annotations

import asyncio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator

FRAME = 128 << 10
"""The most bytes of one frame to the client. SSH's packets are joined into frames: each frame costs a system call."""
FULL = 1 << 20
"""Bytes that wait for the client, from which on makers of more wait."""
OVERFULL = 8 << 20
"""Bytes that wait for the client, from which on nothing is read of it either. Its requests alone made these."""


class Link(asyncio.Transport):
    """The server's side of a connection. One task takes what is written from ``frames``."""

    def __init__(self) -> None:
        """Start empty."""
        super().__init__()
        self._waiting: list[bytes] = []
        self._size = 0
        self._closed = False
        self._news = asyncio.Event()
        self._taken = asyncio.Event()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Queue bytes for the client."""
        if data and not self._closed:
            self._waiting.append(bytes(data))
            self._size += len(data)
            self._news.set()

    def close(self) -> None:
        """Take no more; what is queued still goes to the client."""
        self._closed = True
        self._news.set()
        self._taken.set()

    abort = close  # asyncssh aborts right after the message that says why

    def is_closing(self) -> bool:
        """Whether nothing more is taken."""
        return self._closed

    def get_write_buffer_size(self) -> int:
        """Return how many bytes wait for the client."""
        return self._size

    async def room(self, limit: int = FULL) -> None:
        """Wait until fewer than ``limit`` bytes wait for the client. Raises BrokenPipeError when it is closed."""
        while self._size >= limit and not self._closed:
            self._taken.clear()
            await self._taken.wait()
        if self._closed:
            raise BrokenPipeError("the connection is closed")

    async def frames(self) -> AsyncIterator[bytes]:
        """Yield what is to be sent, until the link is closed and empty."""
        while True:
            while not self._waiting:
                if self._closed:
                    return
                self._news.clear()
                await self._news.wait()
            frame = self._next()
            yield frame
            self._size -= len(frame)  # only now has the stream taken it
            self._taken.set()

    def _next(self) -> bytes:
        size = count = 0
        for data in self._waiting:
            if count and size + len(data) > FRAME:
                break
            size += len(data)
            count += 1
        frame = b"".join(self._waiting[:count])
        del self._waiting[:count]
        if len(frame) > FRAME:
            self._waiting.insert(0, frame[FRAME:])
            frame = frame[:FRAME]
        return frame
