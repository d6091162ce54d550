"""What the broker tells the supervisor: short messages of fixed shape, on a socket that keeps them apart.

The broker never waits for the supervisor: what does not fit is dropped and counted.
"""

from __future__ import annotations

import _socket
import select
import struct

from pyopenshell.errors import LaunchError
from pyopenshell.record import Record
from pyopenshell.seccomp import broker, verdict

KINDS = (broker.GRANTED, broker.PASSED, *verdict.REASONS)
"""What can become of an open, in the order of the counts."""
MOST = 1000
"""Events that one sandbox can cause; more are only counted. What runs inside decides how many processes it has."""

_SERVING = struct.Struct("=c??")
_USE = struct.Struct("=cBii")
_COUNTS = struct.Struct(f"=c{len(KINDS) + 1}Q")
PATIENCE = 5.0
"""Seconds in which a broker that was given its listener says so."""
SIZE = 1024
"""No message is longer."""
MAX_PATH = 512
"""Bytes of a path that are told."""


class Serving(Record):
    """The broker has its listener. ``killable``: only fatal signals interrupt a call that it works on.

    ``in_step``: the kernel lets caller and broker run in turns on one processor.
    """

    killable: bool
    in_step: bool


class Use(Record):
    """The first granted open of a process (``kind`` is ``granted``), or one of the first refusals of its kind.

    ``pid`` is the process as the supervisor sees it (for a refusal it may be a thread of it), ``inside`` its number in
    the sandbox, 0 where unknown. ``path`` is what it asked for, in its own words: empty where that could not be read.
    """

    kind: str
    pid: int
    inside: int
    path: bytes

    @property
    def is_granted(self) -> bool:
        """Whether the broker helped."""
        return self.kind == broker.GRANTED


class Counts(Record):
    """How often each answer was given, by kind; ``untold`` uses were not reported one by one."""

    by_kind: dict[str, int]
    untold: int


def pack(report: Serving | Use | Counts) -> bytes:
    """Return a report as a message."""
    if isinstance(report, Serving):
        return _SERVING.pack(b"S", report.killable, report.in_step)
    if isinstance(report, Use):
        return _USE.pack(b"U", KINDS.index(report.kind), report.pid, report.inside) + report.path[:MAX_PATH]
    return _COUNTS.pack(b"C", *(report.by_kind[kind] for kind in KINDS), report.untold)


def unpack(message: bytes) -> Serving | Use | Counts:
    """Return the report in a message. Raises ValueError for what is none."""
    try:
        if message[:1] == b"S":
            return Serving(*_SERVING.unpack(message)[1:])
        if message[:1] == b"U":
            _, kind, pid, inside = _USE.unpack(message[: _USE.size])
            return Use(KINDS[kind], pid, inside, message[_USE.size :])
        _, *counts, untold = _COUNTS.unpack(message)
    except (struct.error, IndexError) as error:
        raise ValueError(f"not a report of the broker: {message!r}") from error
    return Counts(dict(zip(KINDS, counts, strict=True)), untold)


class Inbox:
    """The supervisor's side. ``sender`` is for the broker, and to be closed here once that has it."""

    sender: _socket.socket

    def __init__(self, own: _socket.socket | None = None) -> None:
        """Make the socket, or take one over whose ``sender`` is elsewhere.

        The kernel keeps messages apart, and a reader learns when the last writer is gone.
        """
        if own is None:
            own, self.sender = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET | _socket.SOCK_CLOEXEC)
        self._socket = own
        self.fd = self._socket.fileno()
        self.ended = False
        self.serving: Serving | None = None
        self.counts: Counts | None = None

    def take(self, seconds: float = 0) -> list[Use]:
        """Return the uses that were reported, after waiting for the first message. Keeps ``serving`` and ``counts``.

        ``ended`` is set once the broker is gone.
        """
        uses: list[Use] = []
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        while not self.ended and poll.poll(seconds * 1000):
            message = self._socket.recv(SIZE)
            if not message:
                self.ended = True
                break
            report = unpack(message)
            if isinstance(report, Use):
                uses.append(report)
            elif isinstance(report, Serving):
                self.serving = report
            else:
                self.counts = report
            seconds = 0
        return uses

    def begin(self) -> Serving:
        """Wait until the broker has its listener, for as long as it goes on reporting. Raises LaunchError."""
        while not self.serving:
            self.take(PATIENCE)
            if not self.serving:
                raise LaunchError(
                    "cannot start the sandbox: the broker of CUDA's thread names did not start",
                    step="seccomp",
                    hint="it was killed, perhaps for memory; see the kernel's log",
                )
        return self.serving

    def close(self) -> None:
        """Close the supervisor's end."""
        self._socket.close()
