"""What a process can do to itself before it becomes someone else: prctl(2), capabilities(7), ids, fds, signals."""

from __future__ import annotations

import ctypes
import errno
import os
import sys

from pyopenshell.kernel import signals, syscalls
from pyopenshell.kernel.syscalls import call, encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

AT_FDCWD = syscalls.AT_FDCWD
AT_SYMLINK_NOFOLLOW = syscalls.AT_SYMLINK_NOFOLLOW
AT_EACCESS = syscalls.AT_EACCESS
AT_EMPTY_PATH = syscalls.AT_EMPTY_PATH

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38

CAPABILITY_VERSION_3 = 0x20080522
CAP_SETPCAP = 8

RESOLVE_NO_XDEV = 0x01
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
RESOLVE_IN_ROOT = 0x10

AT_EXECVE_CHECK = 0x10000
"""Linux 6.14."""

SFD_NONBLOCK = os.O_NONBLOCK
SFD_CLOEXEC = os.O_CLOEXEC
SIGNALFD_SIGINFO_SIZE = 128
CLOSE_RANGE_LAST = 0xFFFFFFFF


class CapHeader(ctypes.Structure):
    """``struct __user_cap_header_struct``; pid 0 is the calling thread."""

    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class CapData(ctypes.Structure):
    """``struct __user_cap_data_struct``: version 3 takes two, the lower 32 capabilities first."""

    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


CapSets = CapData * 2  # made once, and so before any fork: a type of its own, which ctypes else makes for each use


class OpenHow(ctypes.Structure):
    """``struct open_how`` of linux/openat2.h."""

    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def set_no_new_privs() -> None:
    """Let no later exec gain privileges; required by Landlock and seccomp, and never undone (PR_SET_NO_NEW_PRIVS)."""
    call("prctl", PR_SET_NO_NEW_PRIVS, 1)


def set_dumpable(on: bool) -> None:
    """Say whether processes of the same user may trace this one and read its /proc files (PR_SET_DUMPABLE)."""
    call("prctl", PR_SET_DUMPABLE, int(on))


def set_parent_death_signal(signal: int) -> None:
    """Get this signal when the parent *thread* ends, 0 for none; cleared by a change of ids (PR_SET_PDEATHSIG)."""
    call("prctl", PR_SET_PDEATHSIG, signal)


def set_child_subreaper() -> None:
    """Become the parent of orphaned descendants (PR_SET_CHILD_SUBREAPER)."""
    call("prctl", PR_SET_CHILD_SUBREAPER, 1)


def has_capability(number: int) -> bool:
    """Whether the calling thread has this capability (CAP_* as a number) in its effective set."""
    data = CapSets()
    call("capget", ctypes.byref(CapHeader(CAPABILITY_VERSION_3, 0)), data)
    effective: int = data[0].effective | data[1].effective << 32
    return bool(effective >> number & 1)


def drop_bounding_set() -> None:
    """Empty the bounding set, so that no exec regains a capability. EPERM without CAP_SETPCAP.

    A process that changes its uid does this before, and ``drop_capabilities`` after: afterwards CAP_SETPCAP is gone.
    """
    number = 0
    while True:
        try:
            call("prctl", PR_CAPBSET_DROP, number)
        except OSError as error:
            if error.errno == errno.EINVAL:  # past the last capability this kernel knows
                return
            raise
        number += 1


def drop_capabilities() -> None:
    """Give up every capability: the bounding set (as far as CAP_SETPCAP is there), then the thread's sets.

    The ambient set follows by itself: it is never more than what is permitted and inheritable (capabilities(7)).
    """
    if has_capability(CAP_SETPCAP):
        drop_bounding_set()
    call("capset", ctypes.byref(CapHeader(CAPABILITY_VERSION_3, 0)), CapSets())


def set_ids(uid: int, gid: int, groups: Iterable[int]) -> None:
    """Become this user for good: groups, then real, effective and saved gid, then uid, and look whether it is so.

    Supplementary groups that are right already are not set again, so that an ordinary user can keep its own ids.
    OSError: EPERM without CAP_SETUID or CAP_SETGID, or where the kernel's answer is not what was asked.
    """
    wanted = sorted(set(groups))
    if sorted(set(os.getgroups())) != wanted:
        os.setgroups(wanted)
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    seen = (os.getresuid(), os.getresgid(), sorted(set(os.getgroups())))
    if seen != ((uid,) * 3, (gid,) * 3, wanted):
        raise OSError(errno.EPERM, f"uid, gid and groups are {seen}, not as asked", "setresuid")


def openat2(dirfd: int, path: str | bytes, flags: int, mode: int = 0, resolve: int = 0) -> int:
    """Open a path under RESOLVE_* restrictions (openat2(2), Linux 5.6). O_CLOEXEC is the caller's to ask for."""
    how = OpenHow(flags, mode, resolve)
    return call("openat2", dirfd, encode(path), ctypes.byref(how), ctypes.sizeof(how))


def access_errno(dirfd: int, path: str | bytes, mode: int, flags: int) -> int:
    """Return 0 where faccessat2(2) allows os.R_OK, W_OK, X_OK, else its errno: file modes, not Landlock, decide.

    Raises OSError where the question itself fails: ENOSYS before Linux 5.8, EBADF, EINVAL.
    """
    try:
        return call("faccessat2", dirfd, encode(path), mode, flags)
    except OSError as error:
        if error.errno in (None, errno.ENOSYS, errno.EBADF, errno.EINVAL):
            raise
        return error.errno


def execute_errno(path: str | bytes) -> int:
    """Return 0 where executing a file would be allowed, else the errno; nothing is executed (execveat(2)).

    Unlike access(2) this asks Landlock. EINVAL before Linux 6.14, which cannot tell.
    """
    name = encode(path)
    argv, environment = (ctypes.c_char_p * 2)(name, None), (ctypes.c_char_p * 1)(None)
    try:
        return call("execveat", AT_FDCWD, name, argv, environment, AT_EXECVE_CHECK)
    except OSError as error:
        return error.errno or 0


def close_fds(keep: Iterable[int]) -> None:
    """Close every file descriptor but these. Before Linux 5.9 ``/proc`` must be there to say which are open."""
    kept = sorted(set(keep))
    try:
        start = 0
        for fd in kept:
            if fd > start:
                call("close_range", start, fd - 1, 0)
            start = fd + 1
        call("close_range", start, CLOSE_RANGE_LAST, 0)
    except OSError as error:
        if error.errno != errno.ENOSYS:
            raise
        for fd in {int(name) for name in os.listdir("/proc/self/fd")}.difference(kept):
            _close(fd)


def _close(fd: int) -> None:
    try:
        os.close(fd)
    except OSError:  # the descriptor that listed the folder is in the list, and closed by now
        pass


def reset_signals() -> None:
    """Set every signal to its default and block none, as a program expects to start (only the main thread can)."""
    for number in signals.valid_signals():
        if number not in (signals.SIGKILL, signals.SIGSTOP):
            signals.signal(number, signals.SIG_DFL)
    signals.pthread_sigmask(signals.SIG_SETMASK, ())


def signal_fd(wanted: Iterable[int]) -> int:
    """Block these signals and return an fd (close-on-exec, non-blocking) that delivers them (signalfd(2))."""
    numbers = tuple(wanted)
    signals.pthread_sigmask(signals.SIG_BLOCK, numbers)
    mask = sum(1 << number - 1 for number in numbers).to_bytes(8, sys.byteorder)
    return call("signalfd4", -1, mask, len(mask), SFD_CLOEXEC | SFD_NONBLOCK)


def read_signal(fd: int) -> tuple[int, int] | None:
    """Return the next signal's number and its sender's pid from a ``signal_fd``, or None when none is waiting."""
    try:
        info = os.read(fd, SIGNALFD_SIGINFO_SIZE)
    except BlockingIOError:
        return None
    return int.from_bytes(info[:4], sys.byteorder), int.from_bytes(info[12:16], sys.byteorder)
