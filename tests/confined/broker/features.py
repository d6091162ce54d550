"""What this kernel offers a broker, asked of the kernel itself: nothing of pytest is needed here."""

from __future__ import annotations

import errno
import fcntl
import marshal
import os
import struct

from pyopenshell.kernel import notification, process, seccomp

ALLOW_ALL = struct.pack("=HBBI", 0x06, 0, 0, seccomp.RET_ALLOW)
"""A filter of one instruction: it never notifies, but can have a listener."""
NO_CALL = 0
"""The cookie of no notification."""


def features() -> dict[str, bool]:
    """Return what there is of seccomp's user notification here, tried in a forked child.

    ``listener``: a filter can have one. ``addfd``: a descriptor can be put into the caller (Linux 5.9), ``addfd_send``:
    in the step that answers (5.14). ``wait_killable``: only fatal signals interrupt a call that was received (5.19).
    ``sync_wake_up``: caller and answerer can run in turns (6.7).
    """
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(write, marshal.dumps(_probe()))
        finally:
            os._exit(0)
    os.close(write)
    with open(read, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(pid, 0)
    return dict(marshal.loads(answer))


def yama() -> int:
    """Return ``kernel.yama.ptrace_scope``; 0, which restricts nothing, where there is no Yama."""
    try:
        with open("/proc/sys/kernel/yama/ptrace_scope") as file:
            return int(file.read())
    except FileNotFoundError:
        return 0


def _probe() -> dict[str, bool]:
    process.set_no_new_privs()
    try:
        listener, killable = seccomp.install_with_listener(ALLOW_ALL)
    except OSError:
        return dict.fromkeys(("listener", "addfd", "addfd_send", "wait_killable", "sync_wake_up"), False)
    return {
        "listener": True,
        "addfd": _adds(listener, 0),
        "addfd_send": _adds(listener, notification.ADDFD_FLAG_SEND),
        "wait_killable": killable,
        "sync_wake_up": notification.wake_in_step(listener),
    }


def _adds(listener: int, flags: int) -> bool:
    """Give a descriptor to a call that there is not: a kernel that knows how says so (ENOENT), others EINVAL."""
    request = bytearray(notification.ADDITION.pack(NO_CALL, flags, listener, 0, 0))
    try:
        fcntl.ioctl(listener, notification.ADDFD, request, True)
    except OSError as error:
        return error.errno == errno.ENOENT
    return True
