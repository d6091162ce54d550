"""The owner's side: the zygote is started on first use, found again by every thread, and ended with this process.

The owner never forks for us: ``posix_spawn`` starts an interpreter without a copy of its memory, whatever threads and
device contexts it has. After a fork of its own, the child has neither zygote nor sandboxes: its copies of their
descriptors are closed, so that they end with the process they belong to, and it starts a zygote of its own on use.
"""

from __future__ import annotations

import _socket
import atexit
import errno
import fcntl
import os
import select
import signal
import sys
import threading

from pyopenshell.errors import ZygoteError
from pyopenshell.zygote import protocol

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
STREAMS = 2
"""The last of the standard streams' descriptors. Nothing of ours is there, also where they are closed."""
PATIENCE = 10.0
"""Seconds that a zygote is given to end before it is killed, and everything it keeps with it."""
_SIGNALS = tuple(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})


lock = threading.RLock()
"""To be held while descriptors are made until they are in ``held``: a fork waits for it. Reentrant, because what the
collector finalizes in between may take it too."""
held: set[Held] = set()
"""What a forked child has to close."""


class Zygote:
    """A zygote of this process, for one identity: effective ids, and what of privileges was given up."""

    def __init__(self, identity: Identity, pid: int, door: _socket.socket) -> None:
        """Take over a child that was just started, and its door."""
        self.identity = identity
        self.pid = pid
        self._door = door
        self._status: int | None = None
        self._could_be_seen = _can_see(pid)
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
        return self._could_be_seen and not _can_see(self.pid)

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


_zygotes: dict[Identity, Zygote] = {}
"""The one that makes sandboxes for this process, by the identity that this has; or none."""
_retired: list[Zygote] = []
"""Those of other identities, whose doors are shut, as long as sandboxes of theirs are open."""


def connect(user: Held, first: bytes) -> tuple[_socket.socket, int, Zygote]:
    """Return a new connection, how much of ``first`` is sent on it, and the zygote that it leads to.

    That is started where there is none. Hold ``lock``, with the user in ``held``; it calls ``disconnected``, also after
    an error. Raises ZygoteError where it cannot be started.
    """
    identity = _identity()
    with lock:
        zygote = _zygotes.get(identity)
        if zygote and not zygote.is_beyond:
            try:
                return *zygote.connect(user, first), zygote
            except (BrokenPipeError, ConnectionResetError):  # it was killed since
                del _zygotes[identity]
                zygote.end()
            except OSError as error:
                raise _starved(error) from error
        _retire()
        zygote = _zygotes[identity] = _start(identity)
        try:
            return *zygote.connect(user, first), zygote
        except OSError as error:
            raise useless(zygote) from error


def disconnected(user: Held) -> None:
    """Know a user's connection as over. A zygote that was retired ends with the last one."""
    with lock:
        for zygote in (*_zygotes.values(), *_retired):
            zygote.users.discard(user)
        for zygote in [zygote for zygote in _retired if not zygote.users]:
            _retired.remove(zygote)
            zygote.end()


def _retire() -> None:
    """Have nothing left that could start sandboxes with rights that this process has given up."""
    while _zygotes:
        _, zygote = _zygotes.popitem()
        zygote.shut()
        if zygote.users:
            _retired.append(zygote)
        else:
            zygote.end()


def _can_see(pid: int) -> bool:
    """Whether this thread may look at a process (ptrace(2), PTRACE_MODE_READ). Where that is unknown, it may."""
    try:
        os.readlink(f"/proc/{pid}/ns/mnt")
    except PermissionError:
        return False
    except OSError:  # it has ended, or there is no /proc
        return True
    return True


def _identity() -> Identity:
    """Return what says how much this thread may do: a zygote that may do more must not work for it. Raises ZygoteError.

    Ids, and what a program can give up for good: capabilities, new privileges, system calls, namespaces, its root. Of
    a Landlock domain there is no trace here: see ``Zygote.is_beyond``.
    """
    try:
        with open("/proc/thread-self/status", "rb") as file:
            confined = tuple(line for line in file if line.startswith(_GIVEN_UP))
        spaces = tuple(os.readlink(f"/proc/thread-self/ns/{kind}") for kind in ("mnt", "net", "pid", "user"))
        root = os.stat("/")
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):  # that says nothing of rights
            raise _starved(error) from error
        # Without /proc nothing of this can be told.
        return (os.geteuid(), os.getegid(), *os.getgroups())
    return (os.geteuid(), os.getegid(), *os.getgroups(), confined, spaces, root.st_dev, root.st_ino)


_GIVEN_UP = (b"CapPrm", b"CapBnd", b"NoNewPrivs", b"Seccomp:", b"Seccomp_filters")
"""Lines of proc_pid_status(5)."""


def placed(fd: int) -> int:
    """Return a descriptor that was just made, elsewhere where it is a standard stream's: that one was closed.

    Whoever is then given this process's own streams is not given ours. Raises OSError, and has closed it then.
    """
    if fd > STREAMS:
        return fd
    try:
        return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, STREAMS + 1)
    finally:
        os.close(fd)


def is_ours(fd: int) -> bool:
    """Whether a descriptor is one of those by which sandboxes are made, kept and spoken to. Hold ``lock``."""
    return any(fd in holder.descriptors() for holder in (*held, *_zygotes.values(), *_retired))


def pair(kind: int) -> tuple[_socket.socket, _socket.socket]:
    """Return a pair of sockets that block, whatever ``socket.setdefaulttimeout`` was told. Raises OSError."""
    ours, theirs = _socket.socketpair(_socket.AF_UNIX, kind)
    if min(ours.fileno(), theirs.fileno()) <= STREAMS:
        # Both are detached at once: where there is no room for one, none is left.
        numbers = [ours.detach(), theirs.detach()]
        try:
            ours = _socket.socket(fileno=placed(numbers.pop(0)))
            theirs = _socket.socket(fileno=placed(numbers.pop()))
        except BaseException:
            for fd in numbers:
                os.close(fd)
            ours.close()
            raise
    if _socket.getdefaulttimeout() is not None:
        ours.setblocking(True)
        theirs.setblocking(True)
    return ours, theirs


def _start(identity: Identity) -> Zygote:
    """Start a zygote. Raises ZygoteError."""
    executable = sys.executable
    if not executable:
        raise ZygoteError("the path of the Python interpreter is not known here", hint=_HINT)
    try:
        ours, theirs = pair(_socket.SOCK_SEQPACKET)
    except OSError as error:
        raise _starved(error) from error
    utf8 = ["-X", "utf8"] if sys.getfilesystemencoding() == "utf-8" else []
    argv = [executable, "-I", "-S", *utf8, SCRIPT, str(os.getpid())]
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
            raise _starved(error) from error
        raise ZygoteError(f"cannot execute {executable}: {os.strerror(error.errno or 0)}", hint=_HINT) from error
    finally:
        theirs.close()
        if door >= 0:
            os.close(door)
    return Zygote(identity, pid, ours)


_HINT = "set sys.executable to a Python interpreter with which this program's modules can be imported"


def _actions(door: int) -> list[tuple[int, ...]]:
    """Return what becomes of descriptors: the door first, because it may be where a standard stream belongs."""
    opened: Iterator[tuple[object, ...]] = (
        (os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0)
        for fd in (0, 1, 2)
        # Where somebody looks for a defect, its tracebacks are seen.
        if fd != STREAMS or "OPENSHELL_DEBUG" not in os.environ or not is_open(fd)
    )
    return [(os.POSIX_SPAWN_DUP2, door, protocol.DOOR), *opened]  # type: ignore[list-item]


def no_socket() -> _socket.socket:
    """Return what stands for a socket that is not there yet: one that is closed."""
    return _socket.socket.__new__(_socket.socket)


def is_open(fd: int) -> bool:
    """Whether there is such a descriptor."""
    try:
        os.fstat(fd)
    except (OSError, OverflowError):
        return False
    return True


def useless(zygote: Zygote) -> ZygoteError:
    """Return the error for a zygote that ended before it served anybody."""
    zygote.has_ended(PATIENCE)
    return ZygoteError(
        f"the process that is to start sandboxes {zygote.how()}",
        hint=f"OPENSHELL_DEBUG=1 shows what it says; it is started with {sys.executable}",
    )


def _starved(error: OSError) -> ZygoteError:
    """Return the error for a host, or a process, that has no more of something."""
    hints = {errno.EMFILE: "raise the limit of open files (ulimit -n)", errno.EAGAIN: "raise the limit (ulimit -u)"}
    return ZygoteError(
        f"cannot reach the process that starts sandboxes: {error.strerror}", hint=hints.get(error.errno or 0)
    )


def _forget_all() -> None:
    """Make a forked child a process of its own, then let others go on."""
    for holder in (*held, *_zygotes.values(), *_retired):
        holder.forget()
    held.clear()
    _zygotes.clear()
    _retired.clear()
    lock.release()


def _end_all() -> None:
    """End this process's sandboxes and zygote, and wait until they are gone."""
    with lock:
        for holder in held:
            holder.forget()
        held.clear()
        for zygote in (*_zygotes.values(), *_retired):
            zygote.end()
        _zygotes.clear()
        _retired.clear()


os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=_forget_all)
atexit.register(_end_all)
