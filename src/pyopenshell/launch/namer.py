"""A program of a few machine instructions that opens one file as CUDA opens a ``comm``, and can write a name there.

A process that only forked still has its parent's memory, which may hold secrets, so it must not be dumpable, and no
broker can read from it. This one is executed from a memfd, like any workload: its memory holds nothing but itself.
"""

from __future__ import annotations

import os
import struct

from pyopenshell.kernel.syscalls import ARCHITECTURE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

NAME = b"openshell-trial"
"""The name it writes: as long as a thread's can be (PR_SET_NAME)."""
O_RDWR = 0o2

_BASE, _CODE_AT, _DATA_AT = 0x400000, 64 + 56, 0x1E8
_MACHINE = {"x86_64": 62, "aarch64": 183}
# fd = openat(AT_FDCWD, path, flags); if (fd >= 0 && length) fd = write(fd, name, length); exit(fd < 0 ? -fd : 0).
_CODE = {
    "x86_64": "b801010000 bf9cffffff be00024000 8b1425e8014000 4531d2 0f05 85c0 7821 89c7 bef0014000 8b1425ec014000"
    "b801000000 85d2 7406 0f05 85c0 7804 31c0 eb02 f7d8 89c7 b8e7000000 0f05",
    "aarch64": "600c8092 043d80d2 0408a0f2 81600091 820040b9 030080d2 080780d2 010000d4 2001f8b7 81200091 820440b9"
    "080880d2 62000034 010000d4 6000f8b7 000080d2 02000014 e00300cb c80b80d2 010000d4",
}
# for (;;) ppoll(NULL, 0, NULL, NULL, 0);
_WAIT = {
    "x86_64": "b80f010000 31ff 31f6 31d2 4531d2 4531c0 0f05 ebeb",
    "aarch64": "000080d2 010080d2 020080d2 030080d2 040080d2 280980d2 010000d4 f9ffff17",
}


def program(path: str, flags: int = O_RDWR, *, write: bool = True, architecture: str = ARCHITECTURE) -> bytes:
    """Return the program as an ELF file (elf(5)). It exits with the errno of what failed, or with 0.

    Raises KeyError on an architecture without a table.
    """
    data = struct.pack("<II", flags, len(NAME) if write else 0) + NAME + b"\0" + os.fsencode(path) + b"\0"
    return _file(bytes.fromhex(_CODE[architecture]).ljust(_DATA_AT - _CODE_AT, b"\0") + data, architecture)


def waiting(architecture: str = ARCHITECTURE) -> bytes:
    """Return a program that does nothing, until it is killed. Raises KeyError as ``program``."""
    return _file(bytes.fromhex(_WAIT[architecture]), architecture)


def _file(body: bytes, architecture: str) -> bytes:
    """Return an ELF file with one segment, which begins with its header and goes on with this code."""
    size = _CODE_AT + len(body)
    identity = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    header = struct.pack(
        "<HHIQQQIHHHHHH", 2, _MACHINE[architecture], 1, _BASE + _CODE_AT, 64, 0, 0, 64, 56, 1, 64, 0, 0
    )
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, 0x10000)  # PT_LOAD, readable and executable
    return identity + header + segment + body


def execute(image: bytes) -> NoReturn:
    """Become this program. Raises OSError.

    By its path in ``/proc``: the syscall filter refuses execveat(2) with an empty path.
    """
    fd = os.memfd_create("openshell-namer", os.MFD_CLOEXEC)
    os.write(fd, image)
    os.execve(f"/proc/self/fd/{fd}", ["openshell-namer"], {})  # noqa: S606
