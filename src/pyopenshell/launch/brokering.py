"""The broker as a process: what the stem becomes in a sandbox whose CUDA thread names go through it.

It is the workload's ancestor and subreaper, has the sandbox's uid and no privilege, is confined by a syscall filter of
its own and by limits, and not by Landlock: a domain would forbid it to look at the processes it serves
(docs/design.md, section 5).
"""

from __future__ import annotations

import _socket
import fcntl
import gc
import os
import resource
import select
import termios

from pyopenshell.kernel import process, seccomp
from pyopenshell.launch import reap, reports, wire
from pyopenshell.launch.become import become
from pyopenshell.seccomp import bpf
from pyopenshell.seccomp.broker import Broker
from pyopenshell.seccomp.broker_filter import ALLOWED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FILES = 640
"""Descriptors the broker may have: a few of its own, and one for each process it remembers."""
KILLABLE, INTERRUPTIBLE = b"K", b"I"


class Channel:
    """The way of the listener from init, which makes it, to the broker. Made before the fork that parts them."""

    def __init__(self) -> None:
        """Make both ends."""
        self._outer, self._inner = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)

    def keep_inner(self) -> Channel:
        """Keep only init's end."""
        self._outer.close()
        return self

    def keep_outer(self) -> int:
        """Keep only the broker's end, and return its descriptor."""
        self._inner.close()
        return self._outer.fileno()

    def install(self, program: bytes) -> None:
        """Install a filter that notifies, and send its listener away: only the broker may hold it. Raises OSError."""
        listener, killable = seccomp.install_with_listener(program)
        try:
            wire.send_descriptor(self._inner, KILLABLE if killable else INTERRUPTIBLE, listener)
        finally:
            os.close(listener)  # held here, whatever the filter stops would wait for an answer for ever

    def close(self) -> None:
        """Close init's end: nothing more will come."""
        self._inner.close()

    def receive(self) -> tuple[int, bool] | None:
        """Return the listener and whether calls wait killable; None where init ended before it had one."""
        frame = wire.receive_descriptor(self._outer)
        self._outer.close()
        if frame is None:
            return None
        kind, _payload, listener = frame
        return listener, kind == KILLABLE


class Reporter:
    """Sends reports without ever waiting."""

    def __init__(self, fd: int) -> None:
        """Take over the socket."""
        self._socket = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET, 0, fd)
        # The rest of what the kernel keeps for a supervisor that is busy is for the counts, at the end.
        self._room = self._socket.getsockopt(_socket.SOL_SOCKET, _socket.SO_SNDBUF) // 2
        self._left = reports.MOST
        self.untold = 0

    def use(self, kind: str, pid: int, inside: int, path: bytes) -> None:
        """Report a use, unless there were too many or the supervisor is busy."""
        self._left -= 1
        if self._left < 0 or self._waiting() > self._room or not self.send(reports.Use(kind, pid, inside, path)):
            self.untold += 1

    def _waiting(self) -> int:
        """Return how many bytes nobody has read yet, as the kernel accounts for them (SIOCOUTQ, the same number)."""
        return int.from_bytes(fcntl.ioctl(self._socket.fileno(), termios.TIOCOUTQ, bytes(4)), "little")

    def send(self, report: reports.Serving | reports.Use | reports.Counts) -> bool:
        """Send, or return False where that would mean waiting, or nobody listens any more."""
        try:
            self._socket.send(reports.pack(report), _socket.MSG_DONTWAIT | _socket.MSG_NOSIGNAL)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Close the socket: the supervisor learns that nothing more will come."""
        self._socket.close()


_confinement: list[bytes] = []


def confinement() -> bytes:
    """Return the broker's own filter. Who asks for it before it forks many brokers has it built once."""
    if not _confinement:
        _confinement.append(bpf.build_allowing(ALLOWED, os.uname().machine))
    return _confinement[0]


def drop(plan: dict[str, Any]) -> None:
    """Become the sandbox's identity, without privileges, and able to do only what brokering takes. Raises OSError."""
    parent = os.getppid()
    become(plan)
    process.set_dumpable(False)
    process.set_parent_death_signal(reap.ALONE)  # changing credentials cleared it
    if os.getppid() != parent:
        raise OSError(0, "the supervisor ended")
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    gc.disable()  # it would write to memory that is shared with the supervisor until then
    process.set_no_new_privs()
    seccomp.install(confinement())


class Brokering(reap.Service):
    """Waits for the listener, then serves it."""

    def __init__(self, channel: Channel, here: int, reporter: Reporter, *, depth: int) -> None:
        """Keep the broker's end of the channel. ``here`` and ``depth``: see ``seccomp.broker``."""
        self.fd = channel.keep_outer()
        self._channel = channel
        self._here = here
        self._depth = depth
        self._broker: Broker | None = None
        self._reporter = reporter

    def ready(self, events: int) -> None:
        """Serve a call, or begin."""
        if not self._broker:
            self._begin()
        elif events & select.POLLIN:
            self._broker.serve()
        else:
            self.fd = -1  # nobody is left in the sandbox who could call

    def _begin(self) -> None:
        received = self._channel.receive()
        self.fd = -1
        if received is None:
            return  # init ended before it had one
        self.fd, killable = received
        there = os.open("/proc", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._broker = Broker(self.fd, self._here, there, self._depth, self._reporter.use)
        self._reporter.send(reports.Serving(killable, self._broker.in_step))

    @property
    def counts(self) -> dict[str, int]:
        """How often each answer was given; nothing where no listener came."""
        return self._broker.counts if self._broker else {}

    def end(self) -> None:
        """Report the counts, as the last thing."""
        if self.counts:
            self._reporter.send(reports.Counts(self.counts, self._reporter.untold))
        self._reporter.close()
