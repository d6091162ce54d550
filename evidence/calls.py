"""What a recorded program did, in words: the calls that a sandbox decides about, counted, without passing numbers."""

from __future__ import annotations

import errno
import os
import re
from typing import TYPE_CHECKING, Any

from evidence import recorder

if TYPE_CHECKING:
    from evidence.recorder import Call

MARKER = "/openshell-marker/"
"""A program says which part of its work begins by opening a file of that part's name in this folder, which is none."""
PATHS = {
    "open": 0,
    "creat": 0,
    "openat": 1,
    "openat2": 1,
    "execve": 0,
    "execveat": 1,
    "mkdir": 0,
    "mkdirat": 1,
    "unlink": 0,
    "unlinkat": 1,
    "rename": 0,
    "renameat": 1,
    "renameat2": 1,
    "chmod": 0,
    "fchmodat": 1,
    "mknod": 0,
    "mknodat": 1,
    "access": 0,
    "faccessat": 1,
    "faccessat2": 1,
    "readlink": 0,
    "readlinkat": 1,
    "stat": 0,
    "lstat": 0,
    "newfstatat": 1,
    "statx": 1,
    "memfd_create": 0,
}
"""Calls with a path, or a name, and which argument it is."""
FLAGS = {"open": 1, "openat": 2}
"""Calls with flags of open(2), and which argument they are."""
LOOKING = ("access", "faccessat", "faccessat2", "readlink", "readlinkat", "stat", "lstat", "newfstatat", "statx")
"""Calls that ask about a path: Landlock denies none of them."""
WORDS = {"O_CREAT": os.O_CREAT, "O_EXCL": os.O_EXCL, "O_TRUNC": os.O_TRUNC, "O_DIRECTORY": os.O_DIRECTORY}
MODES = ("O_RDONLY", "O_WRONLY", "O_RDWR")
TEXT = 64
"""Bytes that are kept of what is written to procfs."""
AF_UNIX = 1


def note(tid: int, name: str, arguments: tuple[int, ...]) -> tuple[str, ...]:
    """Return what must be read while the thread stands still: paths, where descriptors lead, what is written."""
    if name in PATHS:
        return (recorder.string(tid, arguments[PATHS[name]]),)
    if name == "ioctl":
        return (recorder.descriptor(tid, arguments[0]),)
    if name in ("write", "pwrite64"):
        path = recorder.descriptor(tid, arguments[0])
        kept = recorder.peek(tid, arguments[1], min(arguments[2], TEXT)) if path.startswith("/proc/") else b""
        return path, kept.decode("utf-8", "replace")
    if name == "connect":
        address = recorder.peek(tid, arguments[1], min(arguments[2], 110))
        family = int.from_bytes(address[:2], "little")
        return (_socket(address[2:]) if family == AF_UNIX else f"address family {family}",)
    return ()


def _socket(raw: bytes) -> str:
    if raw[:1] == b"\0":
        return "@" + raw[1:].rstrip(b"\0").decode("utf-8", "replace")
    return os.fsdecode(raw.partition(b"\0")[0])


class Log:
    """The calls of a program by the part of its work that they belong to."""

    def __init__(self) -> None:
        """Begin with the part before any marker."""
        self._part = "start"
        self._counts: dict[str, dict[str, int]] = {}
        self._rows: dict[str, dict[tuple[str, ...], int]] = {}

    def add(self, call: Call) -> None:
        """Take a call; a marker begins the next part."""
        if call.noted and call.noted[0].startswith(MARKER):
            self._part = call.noted[0].removeprefix(MARKER)
            return
        counts = self._counts.setdefault(self._part, {})
        counts[call.name] = counts.get(call.name, 0) + 1
        row = _row(call)
        if row:
            rows = self._rows.setdefault(self._part, {})
            rows[row] = rows.get(row, 0) + 1

    def parts(self) -> dict[str, Any]:
        """Return for each part the number of calls by name, and the rows: call, subject, how, result, count."""
        keys = ("call", "subject", "how", "result")
        return {
            part: {
                "calls": dict(sorted(counts.items())),
                "rows": [
                    {**dict(zip(keys, row, strict=True)), "count": count}
                    for row, count in self._rows.get(part, {}).items()
                ],
            }
            for part, counts in self._counts.items()
        }


def _row(call: Call) -> tuple[str, str, str, str] | None:
    """Return call, subject, how and result, None for a call that is only counted."""
    if call.name in LOOKING or not call.noted:
        return None
    subject, how = plain(call.noted[0]), ""
    if call.name in FLAGS:
        how = flags(call.arguments[FLAGS[call.name]])
    elif call.name == "ioctl":
        how = request(call.arguments[1])
    elif call.name in ("write", "pwrite64"):
        if not call.noted[0].startswith("/proc/"):
            return None
        how = plain(call.noted[1])
    return call.name, subject, how, result(call.result)


def plain(text: str) -> str:
    """Return a path without the numbers that differ from run to run."""
    text = re.sub(r"^/proc/\d+(?=/|$)", "/proc/<pid>", text)
    text = re.sub(r"(/task/)\d+", r"\1<tid>", text)
    text = re.sub(r"^(pipe|socket|anon_inode):.*", r"\1", text)
    text = re.sub(r"^(/memfd:[^ ]*?)[0-9a-f]*( \(deleted\))?$", r"\1", text)
    return re.sub(r"\d{5,}", "<n>", text)


def flags(value: int) -> str:
    """Return the flags of open(2) that say what is asked for."""
    mode = MODES[value & 3] if value & 3 < len(MODES) else "3"
    return "|".join([mode, *(word for word, bit in WORDS.items() if value & bit == bit)])


def request(value: int) -> str:
    """Return an ioctl's request: number, and what it is made of where it follows linux/ioctl.h."""
    value &= 0xFFFFFFFF
    kind, number, size = value >> 8 & 0xFF, value & 0xFF, value >> 16 & 0x3FFF
    if not (0x20 < kind < 0x7F and value >> 16):
        return f"{value:#x}"
    return f"{value:#010x} ({chr(kind)!r}, {number:#04x}, {size})"


def result(value: int | None) -> str:
    """Return ``ok``, the name of an error, or that a call never returned."""
    if value is None:
        return "no return"
    return errno.errorcode.get(-value, str(value)) if value < 0 else "ok"
