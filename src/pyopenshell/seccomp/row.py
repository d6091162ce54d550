"""What a row of the syscall filter says: (syscall, condition, action, reason), and what it costs programs."""

from __future__ import annotations

from pyopenshell.record import Record

ALL_BITS = 0xFFFFFFFF
"""Conditions see the low 32 bits of an argument.

The arguments they look at are C ints, and the kernel drops the upper half of the register before it uses them. A
filter that compared all 64 bits could be passed with any rubbish up there (CVE-2019-10063, TIOCSTI in flatpak).
"""


class Condition(Record):
    """Something about one argument (counted from 0): its bits under ``mask`` are one of ``values``.

    ``negated``: none of them. For a 64-bit argument use only the plain form: ignoring the upper half then refuses
    more calls, never fewer.
    """

    argument: int
    values: tuple[int, ...]
    mask: int = ALL_BITS
    negated: bool = False


class Row(Record):
    """A syscall is answered with ``action`` when all ``conditions`` hold. Of several rows the first that holds decides.

    ``action``: ``errno:NAME``; ``notify``: the broker answers (``seccomp.broker``); ``allow``: left open on purpose,
    and listed because of what that means. ``when`` says the conditions in words, ``reason`` why, for people; ``cost``
    is what programs notice (empty: nothing that is known). ``instead_of`` is the Landlock right that makes the row
    needless where the kernel has it.
    """

    syscall: str
    action: str
    reason: str
    when: str = "always"
    conditions: tuple[Condition, ...] = ()
    cost: str = ""
    instead_of: str = ""


def each(syscalls: str, action: str, reason: str, cost: str = "") -> tuple[Row, ...]:
    """Return one row without conditions for each of the syscalls, whose names stand apart by spaces."""
    return tuple([Row(name, action, reason, cost=cost) for name in syscalls.split()])
