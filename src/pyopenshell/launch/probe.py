"""The probe: a fork of init that tries what it is told to, and answers with a number for each attempt.

It is inside the sandbox by birth: same domain, filter, namespaces and identity. It decides nothing. What is tried, and
what was to be expected, is known outside only (``pyopenshell.verify``); nothing that comes back from here needs a
parser. An attempt is a tuple (kind, modes, arguments...), see ``KINDS``. ``modes`` is None, or (path, mode): what file
modes must allow for the attempt to tell anything. Where they do not, nothing is tried.

Its memory is a copy of the launcher's, so it is not dumpable. What must be tried as a program of the sandbox would, it
lets a tiny program do (``launch.namer``), whose memory the broker may read.
"""

from __future__ import annotations

import errno
import marshal
import os

from pyopenshell.kernel import process, signals, syscalls
from pyopenshell.launch import namer, wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

SECONDS = 20
"""After which a probe is ended, whatever it is doing."""
UNTRIED = -10000
"""The answer for what could not be tried at all. Other negative answers: file modes deny it with this errno."""
MAX_LIST = 16 << 20
"""Bytes that a list of attempts may have."""
OWN, OTHER = b"{own}", b"{other}"
"""In paths of ``run``: the process that tries, and another process of the sandbox."""


ASKED = {"prctl": (3,)}
"""The calls that may be made for the sake of their result, with their arguments: PR_GET_DUMPABLE."""
ON_PATHS = frozenset(("mkdirat", "symlinkat", "mknodat", "renameat2", "unlinkat", "memfd_create"))
"""The calls that may be made with text; all others get numbers, and so no memory to read from."""
# fmt: off
ON_NUMBERS = frozenset(
    (
        "acct", "add_key", "bpf", "chroot", "clone", "clone3", "delete_module", "execveat", "fchroot", "fcntl",
        "file_setattr", "finit_module", "fsconfig", "fsmount", "fsopen", "fspick", "init_module", "io_uring_enter",
        "io_uring_register", "io_uring_setup", "ioctl", "kcmp", "kexec_file_load", "kexec_load", "keyctl", "kill",
        "mount", "mount_setattr", "move_mount", "open", "open_by_handle_at", "open_tree", "open_tree_attr", "openat",
        "openat2", "perf_event_open", "pidfd_getfd", "pivot_root", "prlimit64", "process_madvise", "process_vm_readv",
        "process_vm_writev", "ptrace", "quotactl", "quotactl_fd", "reboot", "request_key", "seccomp", "setns", "socket",
        "socketpair", "swapoff", "swapon", "syslog", "truncate", "umount2", "unshare", "userfaultfd",
    )
)
# fmt: on
"""What ``verify.calls`` and its like make. Whoever gets as far as the probe's list can have no other call made."""


def start(connection: int) -> None:
    """Fork the probe, which serves one connection and ends. ``connection`` is closed here; -1 where there is none.

    Where no process can be made, the client sees its connection closed. Init goes on, whatever happens.
    """
    if connection < 0:
        return
    try:
        if os.fork() == 0:
            try:
                _serve(connection)
            finally:
                os._exit(1)
    except OSError:  # as many processes as there may be
        pass
    os.close(connection)


def _serve(connection: int) -> NoReturn:
    """Read the list, try, answer. A client that went away ends this by SIGPIPE, one that is slow by SIGALRM."""
    process.set_dumpable(False)
    process.reset_signals()
    signals.alarm(SECONDS)
    process.close_fds((0, 1, 2, connection))
    head = wire.read(connection, 4)
    length = int.from_bytes(head or b"", "little")
    data = wire.read(connection, length) if head and length <= MAX_LIST else None
    if data is None:
        os._exit(1)
    attempts: list[tuple[Any, ...]] = marshal.loads(data)  # noqa: S302 - from whoever may write the run's record
    other = _other()
    for kind, modes, *arguments in attempts:
        answer = _attempt(kind, modes, arguments, other)
        os.write(connection, answer.to_bytes(4, "little", signed=True))
    os._exit(0)


def _attempt(kind: str, modes: tuple[bytes, int] | None, arguments: list[Any], other: int) -> int:
    try:
        if modes and (number := process.access_errno(process.AT_FDCWD, *modes, process.AT_EACCESS)) in DENIED:
            return -number
    except OSError:  # this kernel cannot be asked
        pass
    try:
        return _run(arguments[0], arguments[1], other) if kind == "run" else KINDS[kind](*arguments)
    except OSError as error:
        return error.errno or UNTRIED


DENIED = (errno.EACCES, errno.EPERM)


def _call(name: str, *arguments: int | bytes) -> int:
    """Make a system call. A copy of this process that it makes ends at once; a signal is only asked about."""
    known = ON_NUMBERS if all(isinstance(argument, int) for argument in arguments) else ON_PATHS
    if name not in known or (name == "kill" and arguments[1] != 0):
        return UNTRIED
    if syscalls.call(name, *arguments) == 0 and name == "clone":
        os._exit(0)
    return 0


def _open(path: bytes, flags: int) -> int:
    os.close(os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY, 0o600))
    return 0


def _ioctl(path: bytes, flags: int, request: int) -> int:
    """Open a device and make a request. Where it cannot be opened, that is another question: not telling."""
    try:
        fd = os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as error:
        return -(error.errno or errno.EACCES)
    try:
        syscalls.call("ioctl", fd, request, 0)
    finally:
        os.close(fd)
    return 0


def _execute(path: bytes) -> int:
    """Ask whether a program may be executed. A kernel that cannot be asked: not telling."""
    number = process.execute_errno(path)
    return -number if number in (errno.EINVAL, errno.ENOSYS) else number


def _connect(family: int, kind: int, address: bytes) -> int:
    """Connect a socket of its own to a ``struct sockaddr``."""
    fd = syscalls.call("socket", family, kind | os.O_CLOEXEC | os.O_NONBLOCK, 0)
    try:
        syscalls.call("connect", fd, address, len(address))
    finally:
        os.close(fd)
    return 0


def _inode(path: bytes, inode: int, device: int | None = None) -> int:
    """Answer 0 where a path has this inode (on this device, where that matters), ESTALE where it has another."""
    info = os.stat(path)
    return 0 if info.st_ino == inode and device in (None, info.st_dev) else errno.ESTALE


def _status(values: dict[bytes, bytes]) -> int:
    """Answer 0 where fields of ``/proc/self/status`` are these, ESTALE where one is not (proc_pid_status(5))."""
    with open("/proc/self/status", "rb") as file:
        found = {name: value.split() for name, _, value in (line.partition(b":") for line in file)}
    return 0 if all(found.get(name) == value.split() for name, value in values.items()) else errno.ESTALE


def _value(name: str, arguments: tuple[int, ...], expected: int) -> int:
    """Answer 0 where a system call of ``ASKED`` returns this."""
    if ASKED.get(name) != arguments:
        return UNTRIED
    return 0 if syscalls.call(name, *arguments) == expected else errno.ESTALE


def _run(path: bytes, flags: int, other: int) -> int:
    """Open a file from a program executed for it, which is as any program here; answer its errno."""
    try:
        pid = os.fork()
    except OSError:  # as many processes as there may be
        return UNTRIED
    if pid == 0:
        try:
            process.set_parent_death_signal(signals.SIGKILL)
            own = path.replace(OWN, b"%d" % os.getpid()).replace(OTHER, b"%d" % other)
            namer.execute(namer.program(os.fsdecode(own), flags | os.O_NONBLOCK | os.O_NOCTTY, write=False))
        finally:
            os._exit(255)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return code if 0 <= code < 255 else UNTRIED


def _other() -> int:
    """Start another program of the sandbox, which only waits, and return its pid. It ends with the probe."""
    ready, failed = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        try:
            process.set_parent_death_signal(signals.SIGKILL)
            namer.execute(namer.waiting())
        finally:
            os._exit(255)
    os.close(failed)
    os.read(ready, 1)  # the end of the file: it has executed
    os.close(ready)
    return pid


def _nothing() -> int:
    """Try nothing: there is something to say about it, and nothing to try."""
    return -errno.ENOENT


KINDS: dict[str, Callable[..., int]] = {
    "call": _call,
    "open": _open,
    "ioctl": _ioctl,
    "execute": _execute,
    "connect": _connect,
    "inode": _inode,
    "status": _status,
    "value": _value,
    "nothing": _nothing,
}
"""What can be tried, besides ``run``."""
