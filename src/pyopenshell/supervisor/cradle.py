"""The process that is forked for every supervisor: it does nothing else, so that they share what they do not touch.

As with a zygote's nursery (``zygote.nursery``), but what is born here does not end with it.
"""

from __future__ import annotations

import _socket
import marshal
import os
import select

from pyopenshell.kernel import process, signals
from pyopenshell.launch import frames
from pyopenshell.supervisor.bearer import Bearer
from pyopenshell.supervisor.keeper import Keeper
from pyopenshell.zygote import nursery

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

BEAR = b"A"
"""template → cradle, with descriptors: the sandbox's (``bearer.Bearer``), ``ends`` of them, and then its supervisor's
(``keeper.Keeper``): what it is to make."""


class Cradle:
    """The template's side. Watch ``fd`` while something waits for room, and call ``flush``."""

    def __init__(self) -> None:
        """Fork it. Raises OSError."""
        self._socket, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
        self.fd = self._socket.fileno()
        self._outbox = frames.Outbox(self._socket)
        self.pid = os.fork()
        if self.pid == 0:
            _run(theirs)
        theirs.close()

    def bear(self, told: dict[str, Any], descriptors: list[int]) -> None:
        """Have a supervisor forked, which takes these descriptors over; they stay the caller's to close here."""
        self._outbox.send(BEAR, marshal.dumps(told), descriptors)

    @property
    def waits(self) -> bool:
        """Whether something waits for room."""
        return self._outbox.waits

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended; it says nothing."""
        try:
            return bool(self._socket.recv(1, _socket.MSG_PEEK | _socket.MSG_DONTWAIT))
        except BlockingIOError:
            return True
        except OSError:
            return False

    def flush(self) -> None:
        """Send what waits."""
        self._outbox.flush()


def _run(connection: _socket.socket) -> NoReturn:
    try:
        nursery.prepare()
        signals.expect_children()
        os.umask(0o022)
        os.chdir("/")
        process.close_fds((0, 1, 2, connection.fileno()))
        if process.has_capability(process.CAP_SETPCAP):
            process.drop_bounding_set()  # once for all that are born here: forty system calls
        _serve(connection)
    finally:
        os._exit(0)


def _serve(connection: _socket.socket) -> None:
    events = process.signal_fd((signals.SIGCHLD,))
    reader = frames.Reader(connection)
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    poll.register(events, select.POLLIN)
    while not reader.ended:
        poll.poll()
        while process.read_signal(events) is not None:
            pass
        _reap()
        for _kind, payload, descriptors in reader.take():
            if descriptors and os.fork() == 0:
                _supervise(payload, descriptors)
            for fd in descriptors:
                os.close(fd)


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _supervise(payload: bytes, descriptors: list[int]) -> NoReturn:
    """Become the supervisor of a sandbox, in a session of its own."""
    code = 1
    try:
        os.setsid()
        process.close_fds((0, 1, 2, *descriptors))
        signals.pthread_sigmask(signals.SIG_SETMASK, ())
        told = marshal.loads(payload)  # noqa: S302 - from our template
        ends, taken = descriptors[: told["ends"]], descriptors[told["ends"] :]
        keeper = Keeper(told, taken, Bearer(told["kind"], told["flags"], ends))
        keeper.launch()
        keeper.loop.run()
        code = 0
    finally:
        os._exit(code)
