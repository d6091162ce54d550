"""The door of a live sandbox: a Unix socket in its run's record, where its supervisor takes what clients ask for.

A client sends one byte, the verb, and with it a descriptor of the run's event log that is open for writing. That is
what lets it in, together with its uid: a sandbox of the same user may reach the socket (below Landlock ABI 9 nothing
restricts connect(2)), but no sandbox may write in the state folder (docs/decisions/0010-verify.md).

For ``PROBE`` the connection itself is handed on to init, and the supervisor has nothing to do with it any more. No
client is ever waited for: each says what it wants in one message, and of too many that do not, the oldest are dropped.
"""

from __future__ import annotations

import _socket
import fcntl
import os
import struct

from pyopenshell.launch import wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    import select

NAME = "control.sock"
KEY = "events.jsonl"
"""The file of the record that a client proves it may write."""
PROBE = b"P"
SECONDS = 5
"""How long a client waits for a supervisor that does not take its connection (it was stopped)."""
MOST = 16
"""Clients that may be connected without having said anything."""
_CREDENTIALS = struct.Struct("iII")
"""``struct ucred``: pid, uid, gid."""


def place(folder: int) -> str:
    """Return a path of the socket that is short enough for ``sun_path`` (108 bytes), by way of an open folder."""
    return f"/proc/self/fd/{folder}/{NAME}"


class Endpoint:
    """The supervisor's side. Register ``fds`` for reading, and call ``serve`` with those that are ready."""

    def __init__(self, folder: int, control: _socket.socket) -> None:
        """Listen in a run's folder, given by a descriptor; ``control`` leads to init. Raises OSError."""
        self._folder = folder
        self._control = control
        self._key = os.stat(KEY, dir_fd=folder, follow_symlinks=False)
        self._clients: dict[int, _socket.socket] = {}
        self._listener = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
        self._listener.setblocking(False)
        self._listener.bind(place(folder))
        self._listener.listen(MOST)

    def register(self, poll: select.poll, events: int) -> None:
        """Register all that may become ready."""
        for fd in (self._listener.fileno(), *self._clients):
            poll.register(fd, events)

    def serve(self, ready: set[int]) -> None:
        """Take what is ready. Nothing that a client does raises, or waits."""
        for fd in ready.intersection(self._clients):
            client = self._clients.pop(fd)
            try:
                self._hear(client)
            except OSError:
                pass
            client.close()
        if self._listener.fileno() in ready:
            try:
                self._accept()
            except OSError:  # it has gone again, or there are no descriptors left
                pass

    def _accept(self) -> None:
        fd, _address = self._listener._accept()  # type: ignore[attr-defined]  # what socket.accept wraps
        client = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM, 0, fd)
        data = client.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, _CREDENTIALS.size)
        if _CREDENTIALS.unpack(data)[1] not in (0, os.geteuid()):
            client.close()
            return
        client.setblocking(False)
        if len(self._clients) >= MOST:
            self._clients.pop(next(iter(self._clients))).close()
        self._clients[fd] = client

    def _hear(self, client: _socket.socket) -> None:
        verb, ancillary, _, _ = client.recvmsg(1, _socket.CMSG_LEN(4), _socket.MSG_CMSG_CLOEXEC)  # room for one
        if not ancillary:
            return
        key = int.from_bytes(ancillary[0][2][:4], "little")
        try:
            allowed = self._opens(key)
        finally:
            os.close(key)
        if verb == PROBE and allowed:
            client.setblocking(True)
            wire.send_descriptor(self._control, wire.PROBE, client.fileno())

    def _opens(self, key: int) -> bool:
        """Whether a descriptor is of the run's event log, and open for writing."""
        status = os.fstat(key)
        same = (status.st_dev, status.st_ino) == (self._key.st_dev, self._key.st_ino)
        flags = fcntl.fcntl(key, fcntl.F_GETFL)
        # O_PATH needs no right at all, and its mode reads as one that may not write.
        return same and flags & (os.O_WRONLY | os.O_RDWR) != 0

    def close(self) -> None:
        """Listen no more, and remove the socket."""
        for client in (self._listener, *self._clients.values()):
            client.close()
        self._clients.clear()
        try:
            os.unlink(NAME, dir_fd=self._folder)
        except OSError:  # the record is being removed
            pass


def connect(folder: int) -> _socket.socket:
    """Return a connection to the door of a run, whose folder is open. Raises OSError: nobody is there."""
    client = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
    try:
        # Not settimeout(): a connect(2) that may not wait fails at once where many others are waiting.
        client.setsockopt(_socket.SOL_SOCKET, _socket.SO_SNDTIMEO, struct.pack("ll", SECONDS, 0))
        client.connect(place(folder))
    except OSError:
        client.close()
        raise
    return client


def ask(client: _socket.socket, folder: int, verb: bytes) -> None:
    """Say what is wanted, with the proof that this process may write the run's record. Raises OSError."""
    key = os.open(KEY, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        rights = (_socket.SOL_SOCKET, _socket.SCM_RIGHTS, key.to_bytes(4, "little"))
        client.sendmsg([verb], [rights])
    finally:
        os.close(key)
