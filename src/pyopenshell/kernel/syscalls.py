"""System calls by name: the only libc handle, and the one way to it for whatever the ``os`` module does not wrap.

Importing works everywhere; calling on an architecture without a table (``numbers``) is refused, because a guessed
number would be some other system call.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys

from pyopenshell import errors
from pyopenshell.kernel import numbers

ARCHITECTURE = os.uname().machine
"""The machine as ``uname -m`` spells it."""

AUDIT_ARCH: dict[str, int] = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""``AUDIT_ARCH_*`` of linux/audit.h: what seccomp's ``arch`` holds for native calls."""

AT_FDCWD = -100
AT_SYMLINK_NOFOLLOW = 0x100
AT_EACCESS = 0x200
AT_EMPTY_PATH = 0x1000
"""Of linux/fcntl.h, for the calls that take a folder's fd and a path."""

libc = ctypes.CDLL(None, use_errno=True)
# One signature for every call: a number and six registers. c_void_p takes integers (negative ones too), bytes, buffers
# and byref() alike, always 64 bits wide; plain ctypes integers would leave the upper half of a register undefined.
libc.syscall.argtypes = (ctypes.c_long, *[ctypes.c_void_p] * 6)
libc.syscall.restype = ctypes.c_long

# A 32-bit interpreter on a 64-bit kernel uses other numbers than the kernel's own architecture.
_NATIVE = numbers.table(ARCHITECTURE) if sys.maxsize > 1 << 32 else None
_tables = {ARCHITECTURE: _NATIVE or {}}


def number(name: str, architecture: str = ARCHITECTURE) -> int | None:
    """Return the number of a system call, or None where that architecture has no such call (or has no table)."""
    if architecture not in _tables:
        _tables[architecture] = numbers.table(architecture) or {}
    return _tables[architecture].get(name)


def call(name: str, *args: object) -> int:
    """Make a system call and return its result; see syscall(2).

    Arguments are integers, bytes (NUL-terminated by ctypes), buffers or ``ctypes.byref`` of a structure; registers
    without an argument are 0. Raises OSError with the call's name as its file name, ENOSYS too where the architecture
    has no such call, and KernelUnsupported on an architecture without a table.
    """
    if _NATIVE is None:
        raise errors.KernelUnsupported(
            f"system calls of {ARCHITECTURE} are not known",
            hint=f"run a 64-bit Python on one of: {', '.join(numbers.ROWS)}",
        )
    if name not in _NATIVE:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), name)
    result: int = libc.syscall(_NATIVE[name], *args, *(0,) * (6 - len(args)))
    if result == -1:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), name)
    return result


def encode(path: str | bytes) -> bytes:
    """Return a path as the bytes the kernel wants; ValueError for an embedded NUL, which would cut it short."""
    encoded = os.fsencode(path)
    if b"\0" in encoded:
        raise ValueError("embedded NUL in a path")
    return encoded
