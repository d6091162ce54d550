"""From what a sandbox wants to what a kernel's ABI has. Pure: the kernel is asked elsewhere."""

from __future__ import annotations

import stat

from pyopenshell.landlock.abi import MAX_ABI, RIGHTS, Right
from pyopenshell.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

LOG_ABI, QUIET_ABI = 7, 10
"""The first ABI that logs denials, and the first that can leave some out by path."""

_BY_NAME = {right.name: right for right in RIGHTS}
_KINDS = ("fs", "net", "scope")
_BITS = {kind: tuple((right.bit, right.name) for right in RIGHTS if right.kind == kind) for kind in _KINDS}
_ON_FILES = sum(right.bit for right in RIGHTS if right.on_files)


class Handled(Record):
    """The rights one sandbox restricts, by name and in table order, and those it wanted that the ABI lacks."""

    abi: int
    fs: tuple[str, ...]
    net: tuple[str, ...]
    scoped: tuple[str, ...]
    dropped: tuple[Right, ...]


def handled(abi: int, *, tcp: bool, udp: bool = False) -> Handled:
    """Return what to handle at an ABI (0: no Landlock). Network rights are wanted only where ``tcp`` or ``udp`` say so.

    Everything else is always wanted. An ABI newer than the table counts as the table's newest.
    """
    wanted = [right for right in RIGHTS if right.kind != "net" or (udp if right.name.endswith("_udp") else tcp)]
    known = min(abi, MAX_ABI)
    by_kind = {
        kind: tuple(right.name for right in wanted if right.kind == kind and right.abi <= known) for kind in _KINDS
    }
    dropped = tuple(right for right in wanted if right.abi > known)
    return Handled(known, by_kind["fs"], by_kind["net"], by_kind["scope"], dropped)


def log_flags(abi: int, wanted: str) -> tuple[str, ...]:
    """Return what to tell landlock_restrict_self(2) at an ABI, where ``wanted`` is ``denials`` or ``off``.

    What runs before the program's own exec (the canary, what a verification tries) is expected to be denied and never
    logged.
    """
    if abi < LOG_ABI:
        return ()
    return ("same_exec_off", "new_exec_on") if wanted == "denials" else ("same_exec_off", "subdomains_off")


def mask(names: Iterable[str]) -> int:
    """Return the mask of rights that are all of one kind. KeyError: unknown name; ValueError: kinds are mixed."""
    rights = [_BY_NAME[name] for name in names]
    if any(right.kind != rights[0].kind for right in rights):
        raise ValueError(f"rights of different kinds have no common mask: {[right.name for right in rights]}")
    result = 0
    for right in rights:
        result |= right.bit
    return result


def names(mask: int, kind: str = "fs") -> tuple[str, ...]:
    """Return the names in a mask of one kind, in table order."""
    return tuple(name for bit, name in _BITS[kind] if bit & mask)


def allowed(access: tuple[str, ...], handled: Handled) -> tuple[str, ...]:
    """Return the filesystem rights of a grant that a rule can name: those that are handled, in table order."""
    return tuple(name for name in handled.fs if name in access)


def for_inode(mask: int, mode: int) -> int:
    """Return the part of a filesystem mask that a rule on an inode of this ``st_mode`` may carry.

    On anything but a directory the kernel answers EINVAL to rights that only mean something beneath one.
    """
    return mask if stat.S_ISDIR(mode) else mask & _ON_FILES
