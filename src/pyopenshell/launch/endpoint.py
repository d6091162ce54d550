"""The door of a live sandbox: how its supervisor is asked for something while the program runs.

The door is a FIFO in the run's record, and to write into it is what lets a client in: no policy grants writing in the
state folder, and Landlock has known that right since ABI 1 (docs/decisions/0010-verify.md). A socket would not do:
below ABI 9 nothing restricts connect(2), and whoever can connect can pass descriptors whose closing alone takes as
long as they like (SO_LINGER).

A client listens on a socket of its own in the record and writes one line, verb and token; the supervisor connects to
that socket and hands its end on to init. It reads nothing from it, and waits for nobody.
"""

from __future__ import annotations

import _socket
import os
import select
import time

from pyopenshell.launch import wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

NAME = "door"
PROBE = b"P"
"""The verb: a probe is to be started, and given the connection."""
SECONDS = 5
"""How long a client waits for a supervisor that does not come (it was stopped)."""
_TOKEN = 32
"""Characters of a token: hexadecimal, so that it is nothing but a name."""
_REQUEST = 1 + _TOKEN + 1
"""Bytes of a request, with its newline: far below PIPE_BUF, so that requests never mix (pipe(7))."""
_HEX = frozenset(b"0123456789abcdef")


def _place(folder: int, token: str) -> str:
    """Return the path of a client's socket, short enough for ``sun_path`` (108 bytes), by way of an open folder."""
    return f"/proc/self/fd/{folder}/.client-{token}"


class Endpoint:
    """The supervisor's side. Watch ``fd`` for reading, and call ``serve`` when it is ready."""

    def __init__(self, folder: int, hand_on: Callable[[int], None]) -> None:
        """Make the door in a run's folder, given by a descriptor; ``hand_on`` hands one to init. Raises OSError."""
        self._folder = folder
        self._hand_on = hand_on
        os.mkfifo(NAME, 0o600, dir_fd=folder)
        # For reading and writing: without a client it is then simply empty, and not at its end.
        self.fd = os.open(NAME, os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)

    def serve(self) -> None:
        """Serve the requests that there are. Nothing that a client does raises, or is waited for."""
        try:
            requests = os.read(self.fd, 100 * _REQUEST)
        except BlockingIOError:
            return
        for request in requests.split(b"\n"):
            verb, token = request[:1], request[1:]
            if verb == PROBE and len(token) == _TOKEN and _HEX.issuperset(token):
                try:
                    self._hand_over(token.decode())
                except OSError:  # the client has gone again, or there are no descriptors left
                    pass

    def _hand_over(self, token: str) -> None:
        client = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
        try:
            client.setblocking(False)
            client.connect(_place(self._folder, token))
            client.setblocking(True)  # init's probe reads from it
            self._hand_on(client.fileno())
        finally:
            client.close()

    def close(self) -> None:
        """Close the door."""
        os.close(self.fd)
        try:
            os.unlink(NAME, dir_fd=self._folder)
        except OSError:  # the record is being removed
            pass


def ask(folder: int, verb: bytes, supervisor: int) -> _socket.socket:
    """Return a connection to what a verb starts in the sandbox of a run, whose folder is open.

    Raises OSError: the supervisor (a pid) is gone, or does not come in time; TimeoutError for the latter.
    """
    token = os.urandom(_TOKEN // 2).hex()
    listening = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
    try:
        listening.bind(_place(folder, token))
        listening.listen(1)
        door = os.open(NAME, os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        try:
            os.write(door, verb + token.encode() + b"\n")
        finally:
            os.close(door)
        return _accept(listening, supervisor)
    finally:
        listening.close()
        try:
            os.unlink(_place(folder, token))
        except OSError:  # it was never made, or the record is gone
            pass


def _accept(listening: _socket.socket, supervisor: int) -> _socket.socket:
    """Wait for the supervisor. Others may connect too, and are turned away: they could pass for its sandbox."""
    deadline = time.monotonic() + SECONDS
    while select.select([listening], [], [], max(0, deadline - time.monotonic()))[0]:
        fd, _address = listening._accept()  # type: ignore[attr-defined]  # what socket.accept wraps
        connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM, 0, fd)
        if wire.peer(connection)[0] == supervisor:
            return connection
        connection.close()
    raise TimeoutError("the supervisor does not answer")
