"""``openshell why --syscall NAME``: what the syscall filter does with a system call, why, and what that costs."""

from __future__ import annotations

import errno
from itertools import chain, product
from typing import TYPE_CHECKING

from pyopenshell.cli import output
from pyopenshell.errors import StateError, UsageError
from pyopenshell.kernel import numbers
from pyopenshell.kernel.syscalls import ARCHITECTURE, number
from pyopenshell.policy.problems import nearest
from pyopenshell.record import Record
from pyopenshell.seccomp import table

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from pyopenshell.effective.model import SeccompReport

ALLOWED, DENIED = 0, 1
LANDLOCK_ABIS = range(6)
"""Every ABI that the table of rows tells apart, and one more."""
NO_ROW = "No row of the syscall filter refuses it. File modes, privileges, Landlock and namespaces decide as ever."


class Decision(Record):
    """One row about the syscall: what it answers, when, why, and what programs notice (None: nothing that is known).

    ``answer``: ``denied`` with ``errno``, ``allowed``, or ``broker``.
    """

    answer: str
    when: str
    errno: int
    reason: str
    cost: str | None


class SyscallAnswer(Record):
    """``verdict``: ``allowed``; ``denied``, whatever the arguments; ``conditional``: denied under conditions."""

    syscall: str
    verdict: str
    decisions: tuple[Decision, ...]
    explanation: tuple[str, ...]


def check(arguments: argparse.Namespace) -> None:
    """Raise UsageError unless it is one syscall, and nothing else, that is asked about."""
    name = arguments.syscall
    if arguments.path is not None or arguments.asked is not None:
        other = f"--{arguments.asked}" if arguments.path is None else "PATH"
        raise UsageError(f"why: --syscall does not go with {other}", hint="ask about one or the other")
    known = set(chain.from_iterable(numbers.table(architecture) or () for architecture in numbers.ROWS))
    if name not in known:
        meant = next((word for word in sorted(known) if name and word.startswith(name)), None) or nearest(name, known)
        hint = f"did you mean {meant}?" if meant else "names are the kernel's own, as strace prints them"
        raise UsageError(f"why: there is no system call {name or repr(name)}", hint=hint)


def why(arguments: argparse.Namespace, report: SeccompReport) -> int:
    """Print the answer. Returns 0 where the syscall is allowed, 1 where it is denied, if only for some arguments."""
    if report.rows is None:
        raise StateError(
            "this sandbox's record does not say what its syscall filter refuses: an older version wrote it",
            hint="without --name, the answer is about a sandbox started now",
        )
    answer = decide(arguments.syscall, report.rows)
    if arguments.output == "table":
        _show(answer)
    else:
        output.document({**answer.as_dict(), "allowed": answer.verdict == "allowed"}, arguments.output)
    return ALLOWED if answer.verdict == "allowed" else DENIED


def decide(name: str, rows: Sequence[dict[str, str]]) -> SyscallAnswer:
    """Return what becomes of a syscall under these rows of an effective policy."""
    if number(name) is None:
        missing = Decision("denied", "always", errno.ENOSYS, f"{ARCHITECTURE} has no such system call.", None)
        return SyscallAnswer(name, "denied", (missing,), ())
    costs = _costs()
    decisions = tuple(
        Decision(
            _answer(row["action"]), row["when"], _errno(row["action"]), row["reason"], costs.get(_key(row)) or None
        )
        for row in rows
        if row["syscall"] == name
    )
    denying = [decision for decision in decisions if decision.answer == "denied"]
    if not denying:
        return SyscallAnswer(name, "allowed", decisions, (NO_ROW,))
    if any(decision.when == "always" for decision in denying):
        return SyscallAnswer(name, "denied", decisions, ())
    otherwise = "With other arguments the filter lets it through."
    first = ("The first condition that holds decides.",) if len(decisions) > 1 else ()
    return SyscallAnswer(name, "conditional", decisions, (*first, otherwise))


def _answer(action: str) -> str:
    return {"allow": "allowed", "notify": "broker"}.get(action, "denied")


def _errno(action: str) -> int:
    kind, _, name = action.partition(":")
    return int(getattr(errno, name)) if kind == "errno" else 0


def _key(row: dict[str, str]) -> tuple[str, ...]:
    return row["syscall"], row["when"], row["action"], row["reason"]


def _costs() -> dict[tuple[str, ...], str]:
    """Return what each row costs. Effective policies do not say, so it is the present table that does."""
    variants = [table.rows(net_namespace=net, landlock_abi=abi) for net, abi in product((True, False), LANDLOCK_ABIS)]
    return {(row.syscall, row.when, row.action, row.reason): row.cost for row in chain.from_iterable(variants)}


def _show(answer: SyscallAnswer) -> None:
    if not answer.decisions:
        output.paragraph(answer.syscall, mark="allowed")
    for decision in answer.decisions:
        when = f" when {decision.when}" if decision.when != "always" else ""
        code = f" ({errno.errorcode[decision.errno]})" if decision.errno else ""
        text = f"{answer.syscall}{when}{code}"
        if decision.answer == "broker":
            output.paragraph(f"{text}: the broker answers")
        else:
            output.paragraph(text, mark=decision.answer)
        output.paragraph(decision.reason, indent=2)
        if decision.cost:
            output.paragraph(f"Cost: {decision.cost}", indent=2)
    for sentence in answer.explanation:
        output.paragraph(sentence, indent=2)
