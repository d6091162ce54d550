"""What says how much a thread of the owner may do, and whether a zygote may do more than it."""

from __future__ import annotations

import errno
import os

_GIVEN_UP = (b"CapPrm", b"CapBnd", b"NoNewPrivs", b"Seccomp:", b"Seccomp_filters")
"""Lines of proc_pid_status(5)."""


def identity() -> tuple[object, ...]:
    """Return what says how much this thread may do: a zygote that may do more must not work for it. Raises OSError.

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
            raise
        # Without /proc nothing of this can be told.
        return (os.geteuid(), os.getegid(), *os.getgroups())
    return (os.geteuid(), os.getegid(), *os.getgroups(), confined, spaces, root.st_dev, root.st_ino)


def can_see(pid: int) -> bool:
    """Whether this thread may look at a process (ptrace(2), PTRACE_MODE_READ). Where that is unknown, it may."""
    try:
        os.readlink(f"/proc/{pid}/ns/mnt")
    except PermissionError:
        return False
    except OSError:  # it has ended, or there is no /proc
        return True
    return True
