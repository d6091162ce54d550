"""From rows to a program: classic BPF for seccomp(2), for one architecture. Pure and deterministic.

The kernel remembers which syscalls a program allows whatever their arguments (Linux 5.11) and does not run it for
them. It finds out by following exactly the instructions used here, so only syscalls with a row of their own cost
anything, each as much as there are before it. Opens come first: nothing is called as often.
"""

from __future__ import annotations

import errno
import struct

from pyopenshell.kernel.seccomp import INSTRUCTION_SIZE, MAX_INSTRUCTIONS, RET_ALLOW, RET_ERRNO, RET_USER_NOTIF
from pyopenshell.kernel.syscalls import AUDIT_ARCH, number
from pyopenshell.policy.digest import sha256
from pyopenshell.seccomp.row import ALL_BITS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyopenshell.seccomp.row import Condition, Row

LOAD = 0x20
"""BPF_LD | BPF_W | BPF_ABS: a 32-bit word of ``struct seccomp_data``."""
AND = 0x54
JUMP_EQUAL = 0x15
JUMP_GREATER_OR_EQUAL = 0x35
RETURN = 0x06

NUMBER_AT, ARCHITECTURE_AT, ARGUMENTS_AT = 0, 4, 16
"""Offsets in ``struct seccomp_data`` (linux/seccomp.h)."""
X32_BIT = 0x40000000
"""x32 calls have the architecture of x86_64 and this bit in their number (arch/x86/include/uapi/asm/unistd.h)."""
MAX_JUMP = 255
OFTEN = ("open", "openat")
"""Calls that stand first in a program."""
NOT_HERE = RET_ERRNO | errno.ENOSYS

_ACTIONS = {"notify": RET_USER_NOTIF, "allow": RET_ALLOW}

Instruction = tuple[int, int, int, int]
_AS_BYTES = struct.Struct("<HBBI").pack
"""A ``struct sock_filter``: u16 code, u8 jt, u8 jf, u32 k."""


def build(rows: Sequence[Row], architecture: str) -> bytes:
    """Return the program, an array of ``struct sock_filter``; what no row refuses is allowed.

    Rows for syscalls that this architecture does not have are left out. Other architectures' entries into the kernel
    (and x32) number their syscalls differently, so they get ENOSYS for everything. Raises ValueError for rows that
    cannot be meant: a name no architecture has, a condition that can never hold, more than a program can hold.
    """
    groups: dict[int, list[Row]] = {}
    for row in rows:
        nr = _number(row.syscall, architecture)
        if nr is not None:
            groups.setdefault(nr, []).append(row)
    program = _entry(architecture)
    if architecture == "x86_64":
        program += [(JUMP_GREATER_OR_EQUAL, 0, 1, X32_BIT), (RETURN, 0, 0, NOT_HERE)]
    often = [number(name, architecture) for name in OFTEN]
    for nr in sorted(groups, key=lambda nr: (nr not in often, nr)):
        body = [instruction for row in groups[nr] for instruction in _row(row)]
        if groups[nr][-1].conditions:
            body.append((RETURN, 0, 0, RET_ALLOW))
        program += [(JUMP_EQUAL, 0, len(body), nr), *body]
    program.append((RETURN, 0, 0, RET_ALLOW))
    if len(program) > MAX_INSTRUCTIONS:
        raise ValueError(f"the filter has {len(program)} instructions, {MAX_INSTRUCTIONS} at most are possible")
    return b"".join([_pack(instruction) for instruction in program])


def build_allowing(names: Sequence[str], architecture: str) -> bytes:
    """Return a program that allows these system calls and answers EPERM to every other one.

    Names that this architecture does not have are left out. Raises ValueError for a name no architecture has.
    """
    program = _entry(architecture)
    for name in names:
        nr = _number(name, architecture)
        if nr is not None:
            program += [(JUMP_EQUAL, 0, 1, nr), (RETURN, 0, 0, RET_ALLOW)]
    program.append((RETURN, 0, 0, RET_ERRNO | errno.EPERM))
    return b"".join([_pack(instruction) for instruction in program])


def report(program: bytes) -> tuple[str, int]:
    """Return the SHA-256 of a program in hexadecimal, and the number of its instructions."""
    return sha256(program), len(program) // INSTRUCTION_SIZE


def listing(rows: Sequence[Row], architecture: str) -> tuple[dict[str, str], ...]:
    """Return the rows that are in a program, as the effective policy shows them."""
    return tuple(
        [
            {"syscall": row.syscall, "when": row.when, "action": row.action, "reason": row.reason}
            | ({"instead_of": row.instead_of} if row.instead_of else {})
            for row in rows
            if number(row.syscall, architecture) is not None
        ]
    )


def _entry(architecture: str) -> list[Instruction]:
    """Return how every program begins: only this architecture's calls go on, and by their number."""
    return [
        (LOAD, 0, 0, ARCHITECTURE_AT),
        (JUMP_EQUAL, 1, 0, AUDIT_ARCH[architecture]),
        (RETURN, 0, 0, NOT_HERE),
        (LOAD, 0, 0, NUMBER_AT),
    ]


def _number(name: str, architecture: str) -> int | None:
    nr = number(name, architecture)
    if nr is None and all(number(name, known) is None for known in AUDIT_ARCH):
        raise ValueError(f"no architecture has a syscall {name!r}")
    return nr


def _row(row: Row) -> list[Instruction]:
    """Return the row's instructions: its action where all conditions hold, else on to what follows."""
    code: list[Instruction] = [(RETURN, 0, 0, _action(row.action))]
    for condition in reversed(row.conditions):
        code = _condition(condition, len(code)) + code
    return code


def _condition(condition: Condition, otherwise: int) -> list[Instruction]:
    """Return instructions that fall through where the condition holds, and else jump over ``otherwise`` more."""
    values, mask = condition.values, condition.mask
    if not values or any(value & mask != value for value in values):
        raise ValueError(f"this condition can never hold, or always does: {condition}")
    code: list[Instruction] = [(LOAD, 0, 0, ARGUMENTS_AT + 8 * condition.argument)]  # little-endian: the low half
    if mask != ALL_BITS:
        code.append((AND, 0, 0, mask))
    for left, value in zip(range(len(values) - 1, -1, -1), values, strict=True):
        if condition.negated:
            code.append((JUMP_EQUAL, left + otherwise, 0, value))
        else:
            code.append((JUMP_EQUAL, left, 0 if left else otherwise, value))
    return code


def _action(text: str) -> int:
    if text in _ACTIONS:
        return _ACTIONS[text]
    kind, _, name = text.partition(":")
    if kind != "errno":
        raise ValueError(f"unknown action {text!r}")
    return RET_ERRNO | int(getattr(errno, name))


def _pack(instruction: Instruction) -> bytes:
    if instruction[1] > MAX_JUMP or instruction[2] > MAX_JUMP:
        raise ValueError("too many rows or values for one syscall: a conditional jump reaches 255 instructions")
    return _AS_BYTES(*instruction)
