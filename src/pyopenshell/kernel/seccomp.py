"""The seccomp(2) system call: install a filter, ask what the kernel knows.

Layouts and values are those of ``linux/seccomp.h`` and ``linux/filter.h``; tests hold them against the headers.
"""

from __future__ import annotations

import ctypes
import errno

from pyopenshell.kernel.syscalls import call

SET_MODE_FILTER = 1
GET_ACTION_AVAIL = 2

RET_KILL_PROCESS = 0x80000000
RET_ERRNO = 0x00050000
"""The low 16 bits of the action hold the errno, 4095 at most."""
RET_USER_NOTIF = 0x7FC00000
"""Ask the holder of the filter's listener (seccomp_unotify(2), Linux 5.0)."""
RET_ALLOW = 0x7FFF0000

FILTER_FLAG_NEW_LISTENER = 1 << 3
FILTER_FLAG_WAIT_KILLABLE_RECV = 1 << 5
"""Once a notification was received, only fatal signals interrupt the call (Linux 5.19)."""

INSTRUCTION_SIZE = 8
"""Bytes of a ``struct sock_filter``."""
MAX_INSTRUCTIONS = 4096
"""``BPF_MAXINSNS``: a longer program is EINVAL."""


class SockFprog(ctypes.Structure):
    """``struct sock_fprog``: the number of instructions and where they are."""

    _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def install(program: bytes, flags: int = 0) -> int:
    """Add a filter to the calling thread, for good; children and exec'd programs inherit it.

    ``program`` is an array of ``struct sock_filter``. Returns 0, or what ``flags`` make the kernel return (the
    descriptor of a listener). Raises OSError: EACCES without no_new_privs or CAP_SYS_ADMIN, EINVAL for a program the
    kernel does not accept, ENOMEM when all filters of the thread together are too long.
    """
    fprog = SockFprog(len(program) // INSTRUCTION_SIZE, program)
    return call("seccomp", SET_MODE_FILTER, flags, ctypes.byref(fprog))


def action_available(action: int) -> bool:
    """Whether this kernel has filters, and this action for them (Linux 4.14)."""
    try:
        call("seccomp", GET_ACTION_AVAIL, 0, ctypes.byref(ctypes.c_uint32(action)))
    except OSError:
        return False
    return True


def install_with_listener(program: bytes) -> tuple[int, bool]:
    """Add a filter that can notify. Returns its listener (close-on-exec), and whether calls wait killable.

    Raises OSError: EBUSY where an outer filter has a listener already, EINVAL before Linux 5.0, and as ``install``.
    """
    try:
        return install(program, FILTER_FLAG_NEW_LISTENER | FILTER_FLAG_WAIT_KILLABLE_RECV), True
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    return install(program, FILTER_FLAG_NEW_LISTENER), False
