"""What the broker answers, as a pure function: which ``comm`` file of the caller's own threads an open means.

Only the numbers of a path are ever used (docs/design.md, section 5). What no rule here recognises is left to the kernel
and to Landlock, so a mistake can refuse, and cannot give anything but the caller's own.
"""

from __future__ import annotations

WRONLY, RDWR = 0o1, 0o2
ACCESS_MODE = 0o3
APPEND, NONBLOCK = 0o2000, 0o4000
HARMLESS = (
    ACCESS_MODE
    | APPEND
    | NONBLOCK
    | 0o400  # O_NOCTTY
    | 0o4010000  # O_SYNC, O_DSYNC
    | 0o2000000  # O_CLOEXEC
    | 0o500000  # O_LARGEFILE and O_NOFOLLOW: x86_64 and aarch64 have them the other way round
)
"""Flags that change nothing about what is opened. Any other, O_TRUNC above all, is for Landlock to decide."""

FLAGS = "flags"
"""The path is right and the flags are not."""
OTHER = "other-process"
"""The path names another process, or a thread that is not the caller's."""
SPELLING = "spelling"
"""The path ends in a comm file of procfs, spelled in a way that is not followed (``..``, an alias)."""
UNREADABLE = "unreadable"
"""The path could not be read from the caller's memory: not mapped, or not dumpable."""
NO_DESCRIPTOR = "no-descriptor"
"""The caller's table of descriptors is full."""
GONE = "interrupted"
"""The caller ended, or a signal interrupted its call."""
REASONS = (FLAGS, OTHER, SPELLING, UNREADABLE, NO_DESCRIPTOR, GONE)

MAX_DIGITS = 10


def concerns(path: bytes) -> bool:
    """Whether the last component is ``comm``: everything else is none of the broker's business."""
    return path.endswith(b"comm") and path[-5:-4] in (b"", b"/")


def is_thread_name(path: bytes) -> bool:
    """Whether an absolute path is the ``comm`` file of some thread, whoever's."""
    owner = number(path.split(b"/", 3)[2]) if path.startswith(b"/proc/") else 0
    return bool(_named(path, owner or 1, owner or 1)[0])


def absolute(path: bytes, base: bytes) -> bytes:
    """Return the path as one from the root; ``base`` is the folder that a relative one starts from."""
    return path if path.startswith(b"/") else base + b"/" + path


def thread(path: bytes, flags: int, tgid: int, tid: int) -> tuple[int, str]:
    """Return the caller's thread whose ``comm`` an open means, or 0 and why there is none.

    ``path`` is absolute, ``flags`` those of open(2); ``tgid`` and ``tid`` are the caller's in the sandbox's pid
    namespace. The reason is empty for paths that no procfs has. Whether the thread is the caller's is seen by opening
    it beneath the caller's own ``tgid``: then it is not there if it is not.
    """
    named, reason = _named(path, tgid, tid)
    if not named or reason:
        return 0, reason
    if flags & ~HARMLESS or flags & ACCESS_MODE not in (WRONLY, RDWR):
        return 0, FLAGS
    return named, ""


def _named(path: bytes, tgid: int, tid: int) -> tuple[int, str]:
    """Return the thread that a path names, or 0 and a reason."""
    parts = [part for part in path.split(b"/") if part not in (b"", b".")]
    if parts[:1] != [b"proc"]:
        return 0, ""
    owner = {b"self": tgid, b"thread-self": tid}.get(parts[1], number(parts[1])) if len(parts) > 2 else 0
    if not owner or not concerns(path):
        return 0, SPELLING
    if len(parts) == 3:
        return owner, ""
    member = number(parts[3]) if len(parts) == 5 and parts[2] == b"task" else 0
    if not member or parts[1] == b"thread-self":  # which has no task folder
        return 0, SPELLING
    return (member, "") if owner in (tgid, tid) else (0, OTHER)


def number(text: bytes) -> int:
    """Return a number as procfs spells it, 0 for anything else: decimal digits, no zero in front."""
    if len(text) > MAX_DIGITS or not text.isdigit() or text.startswith(b"0"):
        return 0
    return int(text)
