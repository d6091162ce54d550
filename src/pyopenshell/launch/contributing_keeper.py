"""The keeper of a contributor: it collects what that says until it ends or is late, and leaves nothing of it behind.

A process of its own, because a caller that is killed can promise nothing; and a subreaper, because what a contributor
starts may leave its session and its parent.
"""

from __future__ import annotations

import marshal
import os
import select
import time

from pyopenshell.baseline.answer import MOST_BYTES
from pyopenshell.kernel import process
from pyopenshell.kernel.signals import SIGKILL
from pyopenshell.launch import contributing_child, reap

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from typing import Any, NoReturn

LAST_WORDS = 8192
"""Bytes of what a contributor prints that are kept, the last ones."""
PIECE, PIPE = 1 << 16, 1 << 20
"""Bytes that are read at once, and the most that a pipe may hold (pipe(7))."""


def keep(plan: dict[str, Any], question: int, theirs: _socket.socket) -> NoReturn:
    """Be the keeper, and end with a word to the caller. Nothing of that is held: no session, descriptor or signal."""
    try:
        os.setsid()
        process.reset_signals()
        process.close_fds((question, theirs.fileno()))
        process.set_child_subreaper()
        theirs.sendall(marshal.dumps(_kept(plan, question, theirs)))
    except OSError:  # the caller has lost interest
        pass
    finally:
        os._exit(0)


def _kept(plan: dict[str, Any], question: int, theirs: _socket.socket) -> tuple[Any, ...]:
    """Start the contributor, collect what it says, and end it. Returns the fields of ``Ended``."""
    pipes = [os.pipe() for _ in range(3)]
    pid = os.fork()
    if pid == 0:
        contributing_child.start(plan, question, *(write for _read, write in pipes))
    for _read, write in pipes:
        os.close(write)
    answer, output, failed = (read for read, _write in pipes)
    heard = _Heard(answer, output)
    pidfd = os.pidfd_open(pid)
    try:
        late = not heard.until_end(pidfd, theirs.fileno(), time.monotonic() + plan["seconds"])
        if late:
            os.kill(pid, SIGKILL)
        code = _reaped(pid, pidfd)
    finally:
        reap.sweep()
    heard.drain()
    refused = os.read(failed, PIECE) if select.select([failed], [], [], 0)[0] else b""
    step = marshal.loads(refused) if refused else None  # noqa: S302 - written by our own fork, before its exec
    return heard.words, heard.told, step, code, late


def _reaped(pid: int, pidfd: int) -> int:
    """Return how it ended. One that hangs in the kernel cannot be killed, and nobody waits for it."""
    if not select.select([pidfd], [], [], reap.PATIENCE)[0]:
        return -SIGKILL
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


class _Heard:
    """What a contributor has said on its two pipes, neither of which holds it up."""

    def __init__(self, answer: int, output: int) -> None:
        self.words = self.told = b""
        self._answer, self._output = answer, output
        for fd in (answer, output):
            os.set_blocking(fd, False)

    def until_end(self, pidfd: int, caller: int, deadline: float) -> bool:
        """Listen until the process ends; return False where it must be ended: late, too wordy, or no longer wanted."""
        poll = select.poll()
        for fd, events in ((pidfd, select.POLLIN), (self._answer, select.POLLIN), (self._output, select.POLLIN)):
            poll.register(fd, events)
        poll.register(caller, 0)  # only its end
        while (left := deadline - time.monotonic()) > 0:
            for fd, _what in poll.poll(left * 1000):
                if fd == pidfd:
                    return True
                if fd == caller or len(self.words) > MOST_BYTES:
                    return False
                if not self._take(fd):
                    poll.unregister(fd)
        return False

    def drain(self) -> None:
        """Take what is left in the pipes, and no more than they hold: something that survived may write on."""
        for fd in (self._answer, self._output):
            for _ in range(PIPE // PIECE):
                self._take(fd)

    def _take(self, fd: int) -> bool:
        """Read a piece; return whether there may be more."""
        try:
            piece = os.read(fd, PIECE)
        except BlockingIOError:
            return False
        if fd == self._answer:
            self.words = (self.words + piece)[: MOST_BYTES + 1]
        else:
            self.told = (self.told + piece)[-LAST_WORDS:]
        return bool(piece)
