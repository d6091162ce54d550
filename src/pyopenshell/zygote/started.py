"""A zygote as a process of the owner's: started by ``posix_spawn``, reached through its door, waited for by pidfd."""

from __future__ import annotations

import _socket
import errno
import fcntl
import os
import select
import signal
import sys

from pyopenshell.errors import ZygoteError
from pyopenshell.zygote import protocol, rights
from pyopenshell.zygote.own_ends import STREAMS, is_open, pair, placed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Protocol

    Identity = tuple[object, ...]

    class Held(Protocol):
        """Something that holds descriptors which only the process that made them may hold."""

        def forget(self) -> None:
            """Close them, without a word to anybody."""

        def descriptors(self) -> tuple[int, ...]:
            """Return them; -1 stands for none."""


SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "__main__.py")
"""What the zygote's interpreter runs, with this process's id as its argument."""
PASSED = ("LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "OPENSHELL_DEBUG")
"""Variables of the zygote's own environment. Sandboxes' own come with each request: what is here, their first process
has in its memory."""
PATIENCE = 10.0
"""Seconds that a zygote is given to end before it is killed, and everything it keeps with it."""
_SIGNALS = tuple(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})
_HINT = "set sys.executable to a Python interpreter with which this program's modules can be imported"


class Zygote:
    """A zygote of this process, for one identity: effective ids, and what of privileges was given up."""

    def __init__(self, identity: Identity, pid: int, door: _socket.socket) -> None:
        """Take over a child that was just started, and its door."""
        self.identity = identity
        self.pid = pid
        self._door = door
        self._status: int | None = None
        self._could_be_seen = rights.can_see(pid)
        self.users: set[Held] = set()
        """Whose connections are not over yet."""
        try:
            self._end = placed(os.pidfd_open(pid))
        except ProcessLookupError:  # it ended at once, and the kernel reaped it: SIGCHLD is ignored here
            self._end = -1

    def connect(self, user: Held, first: bytes) -> tuple[_socket.socket, int]:
        """Return a new connection, for one sandbox of this user, and how much of ``first`` is sent on it.

        That is there before the zygote knows of the connection: it is woken once, not twice. Raises OSError, EPIPE
        where it has ended.
        """
        self.users.add(user)  # first: whatever interrupts this, the user says when it is over
        ours, theirs = pair(_socket.SOCK_STREAM)
        try:
            sent = ours.send(first, _socket.MSG_DONTWAIT | _socket.MSG_NOSIGNAL)
            protocol.send(self._door, protocol.CONNECT, None, [theirs.fileno()])
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        return ours, sent

    @property
    def is_beyond(self) -> bool:
        """Whether this thread has entered a Landlock domain since it started the zygote, which may do more then.

        A domain is shown nowhere; who is in one cannot look at a process outside of it as ptrace(2) does.
        """
        return self._could_be_seen and not rights.can_see(self.pid)

    def shut(self) -> None:
        """Close the door: no more sandboxes. It ends when the last of those that are there has."""
        self._door.close()

    def has_ended(self, timeout: float = 0) -> bool:
        """Whether it has ended, waiting for that up to ``timeout`` seconds."""
        if self._end < 0 or self._status is not None:
            return True
        poll = select.poll()
        poll.register(self._end, select.POLLIN)
        return bool(poll.poll(timeout * 1000))

    def how(self) -> str:
        """Say how it ended, in words that follow its name."""
        # A process that dies closes its sockets a moment before it is dead.
        if not self.has_ended(1):
            return "closed its connection"
        self._reap()
        if not self._status:
            return "ended"
        return f"was killed by signal {-self._status}" if self._status < 0 else f"ended with exit code {self._status}"

    def end(self) -> None:
        """End it, and wait until it is gone; it is killed when it takes too long."""
        self._door.close()
        if not self.has_ended(PATIENCE):
            try:
                signal.pidfd_send_signal(self._end, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self.has_ended(PATIENCE)
        self._reap()

    def __del__(self) -> None:
        """Close what others may have been waiting on until now."""
        if self._end >= 0:
            os.close(self._end)

    def descriptors(self) -> tuple[int, ...]:
        """Return what is this process's way to it."""
        return self._door.fileno(), self._end

    def forget(self) -> None:
        """Close a forked child's copies: it is not its zygote."""
        self._door.close()
        if self._end >= 0:
            os.close(self._end)
            self._end = -1

    def _reap(self) -> None:
        if self._end < 0 or self._status is not None:
            return
        try:
            found = os.waitid(os.P_PIDFD, self._end, os.WEXITED | os.WNOHANG)
        except ChildProcessError:  # somebody waits for all children of this process, or ignores SIGCHLD
            self._status = 0
            return
        if found is not None:
            self._status = found.si_status if found.si_code == os.CLD_EXITED else -found.si_status


def start(identity: Identity, script: str | None = None) -> Zygote:
    """Start a zygote, or what else has such a door. Raises ZygoteError."""
    executable = sys.executable
    if not executable:
        raise ZygoteError("the path of the Python interpreter is not known here", hint=_HINT)
    try:
        ours, theirs = pair(_socket.SOCK_SEQPACKET)
    except OSError as error:
        raise starved(error) from error
    utf8 = ["-X", "utf8"] if sys.getfilesystemencoding() == "utf-8" else []
    argv = [executable, "-I", "-S", *utf8, script or SCRIPT, str(os.getpid())]
    environment = {name: os.environ[name] for name in PASSED if name in os.environ}
    door = -1
    try:
        # Above its place there: put onto itself, a descriptor may keep its close-on-exec flag.
        door = fcntl.fcntl(theirs.fileno(), fcntl.F_DUPFD_CLOEXEC, protocol.DOOR + 1)
        pid = os.posix_spawn(
            executable,
            argv,
            environment,
            file_actions=_actions(door),
            setsid=True,
            setsigmask=(),
            setsigdef=_SIGNALS,
        )
    except OSError as error:
        ours.close()
        if error.errno in (errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM):
            raise starved(error) from error
        raise ZygoteError(f"cannot execute {executable}: {os.strerror(error.errno or 0)}", hint=_HINT) from error
    finally:
        theirs.close()
        if door >= 0:
            os.close(door)
    return Zygote(identity, pid, ours)


def _actions(door: int) -> list[tuple[int, ...]]:
    """Return what becomes of descriptors: the door first, because it may be where a standard stream belongs."""
    opened: Iterator[tuple[object, ...]] = (
        (os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0)
        for fd in (0, 1, 2)
        # Where somebody looks for a defect, its tracebacks are seen.
        if fd != STREAMS or "OPENSHELL_DEBUG" not in os.environ or not is_open(fd)
    )
    return [(os.POSIX_SPAWN_DUP2, door, protocol.DOOR), *opened]  # type: ignore[list-item]


def useless(zygote: Zygote) -> ZygoteError:
    """Return the error for a zygote that ended before it served anybody."""
    zygote.has_ended(PATIENCE)
    return ZygoteError(
        f"the process that is to start sandboxes {zygote.how()}",
        hint=f"OPENSHELL_DEBUG=1 shows what it says; it is started with {sys.executable}",
    )


def starved(error: OSError) -> ZygoteError:
    """Return the error for a host, or a process, that has no more of something."""
    hints = {errno.EMFILE: "raise the limit of open files (ulimit -n)", errno.EAGAIN: "raise the limit (ulimit -u)"}
    return ZygoteError(
        f"cannot reach the process that starts sandboxes: {error.strerror}", hint=hints.get(error.errno or 0)
    )
