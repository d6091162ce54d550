"""Reading another process's memory: process_vm_readv(2)."""

from __future__ import annotations

import ctypes

from pyopenshell.kernel.syscalls import call

PAGE = 4096
"""The smallest page there is: what lies within one is readable as a whole or not at all."""
REGISTER = (1 << 64) - 1


class Vector(ctypes.Structure):
    """``struct iovec``."""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class Reader:
    """Reads strings of at most ``limit`` bytes, their NUL included. Not for several threads at once."""

    def __init__(self, limit: int) -> None:
        """Make the buffer, once."""
        self._buffer = ctypes.create_string_buffer(limit)
        self._local = Vector(ctypes.addressof(self._buffer), limit)
        self._remote = (Vector * 2)()
        self._limit = limit

    def string(self, pid: int, address: int) -> bytes | None:
        """Return the string at ``address`` of a thread, or None where no NUL ends it within the limit.

        It is read in two parts, split where a page ends, because the next page may not be there. Raises OSError:
        EFAULT; EPERM where ptrace(2) would be refused (Yama's scope, another uid, PR_SET_DUMPABLE); ESRCH.
        """
        first = min(self._limit, PAGE - address % PAGE)
        start, rest = self._remote
        start.base, start.length = address, first
        rest.base, rest.length = (address + first) & REGISTER, self._limit - first
        parts = 2 if rest.length else 1
        count = call("process_vm_readv", pid, ctypes.byref(self._local), 1, ctypes.byref(self._remote), parts)
        text, end, _ = self._buffer.raw[:count].partition(b"\0")
        return text if end else None
