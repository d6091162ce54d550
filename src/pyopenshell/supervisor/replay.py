"""What a program wrote last, for those who attach later."""

from __future__ import annotations

from _collections import deque  # type: ignore[import-not-found]  # of collections, which brings much along

MOST = 1 << 20
"""Bytes that are kept of one program's output."""


class Replay:
    """The last of two streams, in the order in which it was read."""

    def __init__(self) -> None:
        """Keep nothing yet."""
        self._pieces: deque[tuple[bytes, bytes]] = deque()
        self._size = 0
        self.total = 0
        self.dropped = 0

    def add(self, kind: bytes, data: bytes) -> None:
        """Keep what was read, and let go of the oldest where it is too much."""
        self._pieces.append((kind, data))
        self._size += len(data)
        self.total += len(data)
        while self._size > MOST:
            oldest, old = self._pieces.popleft()
            over = min(self._size - MOST, len(old))
            if over < len(old):
                self._pieces.appendleft((oldest, old[over:]))
            self._size -= over
            self.dropped += over

    def pieces(self) -> list[tuple[bytes, bytes]]:
        """Return what is kept."""
        return list(self._pieces)
