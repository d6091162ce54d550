"""Where clients come to a supervisor: its socket, and the door of a run's record, by which a probe is asked for."""

from __future__ import annotations

import _socket
import os

from pyopenshell.launch import wire
from pyopenshell.launch.endpoint import Endpoint
from pyopenshell.supervisor import protocol
from pyopenshell.supervisor.visitor import Visitor, is_stranger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyopenshell.runs import Run
    from pyopenshell.supervisor.keeper import Keeper

LONGEST = 107
"""Bytes of a path that a socket can be bound to (unix(7), ``sun_path``)."""
WAITING = 128
"""Connections that wait to be taken; the next one is refused."""


class Doors:
    """The places in the folder of a run. Whoever comes is one more visitor."""

    def __init__(self, keeper: Keeper, record: Run) -> None:
        """Make them. Raises OSError, StateError."""
        self._keeper = keeper
        self._folder = record.lock
        self._endpoint: Endpoint | None = None
        record.write(protocol.KEY, keeper.key)
        self._listening = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
        path = f"{record.path}/{protocol.SOCKET}"
        if len(os.fsencode(path)) > LONGEST:  # by way of the folder's descriptor any path fits in
            path = f"/proc/self/fd/{self._folder}/{protocol.SOCKET}"
        self._listening.bind(path)
        self._listening.listen(WAITING)
        self._listening.setblocking(False)
        keeper.loop.watch(self._listening.fileno(), self._come)
        try:
            self._endpoint = Endpoint(self._folder, lambda fd: keeper.tell(wire.PROBE, b"", [fd]))
            keeper.loop.watch(self._endpoint.fd, self._endpoint.serve)
        except OSError:  # its file system has no FIFOs: then there is no door, and a client is told so
            pass

    def _come(self) -> None:
        try:
            fd, _address = self._listening._accept()  # type: ignore[attr-defined]  # what socket.accept wraps
        except OSError:  # it has gone again; or there are no descriptors left, and it waits
            return
        connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM, 0, fd)
        if is_stranger(connection):
            connection.close()
        else:
            self._keeper.visitors.add(Visitor(self._keeper, connection))

    def close(self) -> None:
        """Close and remove them."""
        self._keeper.loop.forget(self._listening.fileno())
        self._listening.close()
        if self._endpoint:
            self._keeper.loop.forget(self._endpoint.fd)
            self._endpoint.close()
        for name in (protocol.SOCKET, protocol.KEY):
            try:
                os.unlink(name, dir_fd=self._folder)
            except OSError:  # the record is being removed
                pass
