"""A connection to a zygote without what the interface makes of it."""

from __future__ import annotations

import marshal
import select
import socket
from typing import TYPE_CHECKING, Any

from pyopenshell.zygote import protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyopenshell import Sandbox

SECONDS = 60


class Door:
    """A connection to the zygote of a sandbox."""

    def __init__(self, box: Sandbox) -> None:
        self._socket, theirs = socket.socketpair()
        link: Any = box._link
        protocol.send(link.zygote._door, protocol.CONNECT, None, [theirs.fileno()])
        theirs.close()

    def send(self, kind: bytes, value: Any = None, descriptors: Sequence[int] = ()) -> None:
        """Send a frame."""
        protocol.send(self._socket, kind, value, descriptors)

    def say(self, data: bytes) -> None:
        """Send bytes, and close."""
        self._socket.sendall(data)
        self._socket.close()

    def ask(self, told: dict[str, Any]) -> tuple[bytes, Any]:
        """Ask for a sandbox; return what came first, which ends it."""
        self.send(protocol.CREATE, told)
        try:
            return self.answer()
        finally:
            self._socket.close()

    def answer(self) -> tuple[bytes, Any]:
        """Return the next frame, or nothing at the end."""
        reader = protocol.Reader(self._socket)
        while not reader.ended:
            assert select.select([self._socket], [], [], SECONDS)[0], "there was no answer"
            for kind, payload, _ in reader.take():
                return kind, marshal.loads(payload)
        self._socket.close()
        return b"", None
