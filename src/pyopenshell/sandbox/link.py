"""The connection to one sandbox: what was told on it, and whether the sandbox is still there."""

from __future__ import annotations

import _socket
import marshal
import os
import select
import threading
import time

from pyopenshell.errors import SandboxGone
from pyopenshell.launch import wire
from pyopenshell.sandbox import request
from pyopenshell.zygote import client, failure, own_ends, protocol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from pyopenshell.errors import OpenShellError
    from pyopenshell.zygote.started import Zygote

PATIENCE = 30.0
"""Seconds to wait for the end of a sandbox that was told to end. Its processes are killed, which takes as long as the
kernel needs to free what they hold."""
REASON = 2.0
"""Seconds to wait for the reason, when a sandbox has ended by itself."""


class Link:
    """A connection of this process to a sandbox, or to one that is being made. Any thread may use it."""

    def __init__(self) -> None:
        """Connect to nothing yet: who ``close``s it can do so from before there is something to close."""
        self.socket = own_ends.no_socket()
        self.zygote: Zygote | None = None
        self.unsent = memoryview(b"")
        """What of the first frame has still to be sent."""
        self.pid = os.getpid()
        self.ready: dict[str, Any] | None = None
        self.ended: dict[str, Any] | None = None
        self.failure: OpenShellError | None = None
        self.name = "the sandbox"
        self.closed = False
        """Whether this process closed it, or is about to."""
        self.waiting = threading.RLock()
        """Held by whoever waits for the end: the descriptor must not be closed meanwhile."""
        self._reader = protocol.Reader(self.socket)
        self._taking = threading.RLock()
        self._sending = threading.Lock()

    def connect(self, create: bytes) -> None:
        """Connect, and send as much of the frame ``create`` as there is room for. Raises ZygoteError."""
        with client.lock:
            client.held.add(self)
            self.socket, sent, self.zygote = client.connect(self, create)
            self._reader = protocol.Reader(self.socket)
        self.unsent = memoryview(create)[sent:]

    @property
    def is_open(self) -> bool:
        """Whether commands can be started."""
        if self.closed or self.pid != os.getpid():
            return False
        self.take()
        return not self.over

    @property
    def over(self) -> bool:
        """Whether nothing more will be told."""
        return self.ended is not None or self.failure is not None or self._reader.ended

    def take(self) -> None:
        """Take in what was told by now."""
        with self._taking:
            if self.over or self.socket.fileno() < 0:
                return
            for kind, payload, _descriptors in self._reader.take():
                told = marshal.loads(payload)  # noqa: S302 - from the zygote, which is ours
                if kind == protocol.READY:
                    self.ready = told
                    self.name = f"sandbox {told['name']}"
                elif kind == protocol.FAILED:
                    self.failure = failure.unpack(told)
                elif kind == protocol.ENDED:
                    self.ended = told

    def send(self, kind: bytes, value: Any = None, descriptors: Sequence[int] = ()) -> None:
        """Send a frame. Raises SandboxGone; UsageError where it is too large."""
        try:
            with self._sending:
                self._send(kind, value, descriptors)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise self.gone() from error

    def _send(self, kind: bytes, value: Any, descriptors: Sequence[int]) -> None:
        payload = b"" if value is None else marshal.dumps(value)
        data = wire.head(kind, request.checked(len(payload)), len(descriptors)) + payload
        sent = self.socket.sendmsg([data], wire.rights(descriptors), _socket.MSG_NOSIGNAL)
        if sent < len(data):
            self.socket.sendall(data[sent:], _socket.MSG_NOSIGNAL)

    def wait(self, timeout: float | None = None, *, to_end: bool = True) -> None:
        """Wait until it is over; or, unless ``to_end``, until it is ready. Hold ``waiting``."""
        if self.socket.fileno() < 0:  # closed: it was over, or is another process's
            return
        deadline = None if timeout is None else time.monotonic() + timeout
        poll = select.poll()
        poll.register(self.socket, select.POLLIN)
        while not self.has_come(to_end=to_end):
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return
            poll.poll(None if left is None else left * 1000 + 1)

    def has_come(self, *, to_end: bool) -> bool:
        """Whether it is over; or, unless ``to_end``, ready."""
        self.take()
        return self.over or (self.ready is not None and not to_end)

    def hang_up(self) -> None:
        """Have the sandbox ended, also one that is still being made; it is when this is ``over``."""
        self.closed = True
        try:
            self.socket.shutdown(_socket.SHUT_WR)
        except OSError:  # the other end is closed
            pass

    def check(self) -> None:
        """Raise SandboxGone where commands cannot be started: it is closed, or another process's."""
        if self.closed or self.pid != os.getpid():
            raise self.explain()

    def check_owner(self) -> None:
        """Raise SandboxGone where it is another process's."""
        if self.pid != os.getpid():
            raise self.explain()

    def gone(self) -> SandboxGone:
        """Return the error that says why it is not there, waiting for the reason where it is on its way."""
        if not self.closed and self.pid == os.getpid():
            with self.waiting:
                if not self.closed:
                    self.wait(REASON)
        return self.explain()

    def explain(self) -> SandboxGone:
        """Return the error that says why it is not there, as far as that is known by now."""
        if self.pid != os.getpid():
            return SandboxGone(
                f"{self.name} belongs to process {self.pid}, and this is a fork of it",
                hint="a sandbox is used by the process that started it: start another one here",
            )
        if self.closed:
            return SandboxGone(f"{self.name} was closed", hint="start another one")
        self.take()
        if self.lost:
            return SandboxGone(f"{self.name} has ended: {self.lost}")
        if self.ended is None and self.zygote is not None:
            return SandboxGone(
                f"{self.name} has ended: the process that keeps it (pid {self.zygote.pid}) {self.zygote.how()}"
            )
        return SandboxGone(f"{self.name} has ended", hint="somebody ended it from outside")

    @property
    def lost(self) -> str | None:
        """Why it ended by itself, where it did."""
        return self.ended["lost"] if self.ended else None

    def close(self) -> None:
        """Close the connection, which ends the sandbox; waits for nothing."""
        with client.lock:
            self.closed = True
            if self not in client.held:
                return
            self._reader.close()
            self.socket.close()
            client.held.discard(self)
            client.disconnected(self)

    def descriptors(self) -> tuple[int, ...]:
        """Return the connection's."""
        return (self.socket.fileno(),)

    def forget(self) -> None:
        """Close a forked child's copy, and take no notice of what other threads were about to do."""
        self.closed = True
        self.socket.close()
        self.waiting, self._taking = threading.RLock(), threading.RLock()
