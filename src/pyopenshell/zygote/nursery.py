"""The process that is forked for every sandbox. It does nothing else: what it does not touch, all of them share.

A fork leaves the memory of both sides to be copied page by page as either writes to it, and an interpreter writes
wherever it looks (reference counts). The zygote, which plans, records and listens, therefore does not fork sandboxes
itself. It sends what they are to be to this one, which it forked when it had just started.
"""

from __future__ import annotations

import _socket
import errno
import gc
import marshal
import os
import select

from pyopenshell.kernel import process, signals
from pyopenshell.launch import brokering, direct, frames, reap, stem, wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

BEAR = b"A"
"""zygote → nursery, with a sandbox's end of its control socket, and that of the broker's reports where it has one: its
kind, and the flags of clone(2). Its plan is the first frame on the control socket."""
BORN = b"O"
"""nursery → zygote, in the order in which they were asked for: a pid, or a negative errno."""
DIED = b"D"
"""nursery → zygote: the pid of init, or of its stem, its wait status, and what survived."""

DIRECT, STEM, ORPHANING = b"d", b"s", b"o"
"""Kinds of sandboxes: without a stem, with one, and with one whose orphans would become the nursery's children."""

_filling: list[bytes] = []
_BYTES, _SMALL, _GAPS = 33, 512, 400
"""What an empty ``bytes`` takes; the largest size for which CPython keeps pools; gaps that there may be of a size."""


class Nursery:
    """The zygote's side. Watch ``fd``, and call ``take`` when it can be read."""

    def __init__(self) -> None:
        """Fork it. Raises OSError."""
        self._socket, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
        self.fd = self._socket.fileno()
        self._reader = frames.Reader(self._socket)
        self._outbox = frames.Outbox(self._socket)
        self.pid = os.fork()
        if self.pid == 0:
            _run(theirs)
        theirs.close()

    def bear(self, kind: bytes, flags: int, descriptors: list[int]) -> None:
        """Ask for a sandbox, without waiting: the nursery may itself be waiting for us to read."""
        self._outbox.send(BEAR, marshal.dumps((kind, flags)), descriptors)

    @property
    def waits(self) -> bool:
        """Whether something waits for room: then call ``flush`` when there is some."""
        return self._outbox.waits

    def flush(self) -> None:
        """Send what waits."""
        self._outbox.flush()

    def take(self) -> tuple[list[tuple[bytes, Any]], bool]:
        """Return what it told by now, ``BORN`` and ``DIED`` with their values, and whether it has ended."""
        told = [(kind, marshal.loads(payload)) for kind, payload, _ in self._reader.take()]  # noqa: S302 - our own fork
        return told, self._reader.ended


def prepare() -> None:
    """Do once what all that is born of this process would do, and leave its memory alone from here on."""
    brokering.confinement()  # also: what a stem becomes imports nothing itself
    gc.collect()
    # Imports leave gaps everywhere in the interpreter's memory. Filled, what is new lies together, and less is copied.
    _filling.extend(bytes(size - _BYTES) for size in range(48, _SMALL + 1, 16) for _ in range(_GAPS))
    gc.freeze()
    gc.disable()


def _run(connection: _socket.socket) -> NoReturn:
    try:
        prepare()
        signals.expect_children()
        os.umask(0o022)
        os.chdir("/")
        process.close_fds((0, 1, 2, connection.fileno()))
        if process.has_capability(process.CAP_SETPCAP):
            process.drop_bounding_set()  # once for all that are born here: forty system calls
        process.set_parent_death_signal(signals.SIGKILL)
        _serve(connection)
    finally:
        os._exit(0)  # every sandbox ends with this one


def _serve(connection: _socket.socket) -> None:
    events = process.signal_fd((signals.SIGCHLD,))
    reader = frames.Reader(connection)
    orphaning: set[int] = set()
    living: set[int] = set()
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    poll.register(events, select.POLLIN)
    while not reader.ended:
        poll.poll()
        while process.read_signal(events) is not None:
            pass
        while died := _reaped():
            if died[0] in living:  # else it was an orphan's end, also after the last of them
                frames.send(connection, DIED, _died(*died, living, orphaning))
        for _kind, payload, descriptors in reader.take():
            kind, flags = marshal.loads(payload)  # noqa: S302 - from the zygote
            pid = bear(kind, flags, descriptors) if descriptors else -errno.EMFILE
            if pid > 0:
                living.add(pid)
                if kind == ORPHANING:
                    orphaning.add(pid)
            for fd in descriptors:
                os.close(fd)
            frames.send(connection, BORN, pid)


def _reaped() -> tuple[int, int] | None:
    """Return a child that has ended, and its wait status."""
    try:
        pid, status = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:  # there is none at all
        return None
    return (pid, status) if pid else None


def bear(kind: bytes, flags: int, descriptors: list[int]) -> int:
    """Fork init, or the stem that will, from a single-threaded process; return its pid, or a negative errno."""
    try:
        if kind == DIRECT:
            return direct.start(flags, descriptors[0])
        if kind == ORPHANING:
            process.set_child_subreaper()
        pid = os.fork()
        if pid == 0:
            _stem(*descriptors)
        return pid
    except OSError as error:
        return -(error.errno or 5)


def _stem(control: int, reports: int | None = None) -> NoReturn:
    # Our own copy of the other end would keep us from seeing that nobody is there to send a plan.
    process.close_fds((0, 1, 2, control, *(() if reports is None else (reports,))))
    told = wire.receive(control)
    if told is None:
        os._exit(125)  # the zygote is gone
    stem.start(marshal.loads(told[1]), control, reports)  # noqa: S302 - from the zygote


def _died(pid: int, status: int, living: set[int], orphaning: set[int]) -> tuple[int, int, list[int]]:
    """Return what to tell of a child that has ended, after ending what it may have left."""
    living.discard(pid)
    if pid not in orphaning:
        return pid, status, []
    orphaning.discard(pid)
    code = os.waitstatus_to_exitcode(status)
    return pid, status, reap.sweep(frozenset(living)) if code < 0 or code == reap.SURVIVORS else []
