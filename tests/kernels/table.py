"""The table of what was seen, kernel by kernel: for a terminal, and for a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.kernels.results import Booted, Outcome

HEAD = (
    *("Kernel", "ABI", "Errata", "Tests run as", "Yama", "Notification", "Namespaces"),
    *("Passed", "Failed", "Skipped"),
)
RED, PLAIN = "\033[31m", "\033[0m"
FEATURES = {
    "addfd": "ADDFD",
    "addfd_send": "ADDFD_SEND",
    "wait_killable": "WAIT_KILLABLE",
    "sync_wake_up": "SYNC_WAKE_UP",
}


def rows(booted: Iterable[Booted]) -> list[tuple[str, ...]]:
    """Return one row for each run on each kernel; the kernel's own facts stand in its first."""
    found = []
    for kernel in booted:
        for number, outcome in enumerate(kernel.outcomes):
            found.append((*_facts(kernel, first=number == 0), *_counts(kernel, outcome)))
    return found


def _facts(kernel: Booted, *, first: bool) -> tuple[str, str, str]:
    facts = kernel.facts
    if not first:
        return "", "", ""
    if not facts:
        return kernel.name, "?", "?"
    abi = str(facts["abi"]) if facts["abi"] else f"none ({facts['answer']})"
    off = f" {kernel.command_line}" if "lsm=" in kernel.command_line else ""
    return f"{facts['release']}{off}", abi, f"{facts['errata']:#b}" if facts["abi"] else "-"


def _counts(kernel: Booted, outcome: Outcome) -> tuple[str, ...]:
    facts = kernel.facts
    yama = "?" if not facts else str(outcome.yama) if facts["has_yama"] else "none"
    who = "user" if outcome.user else "root"
    who += " beneath AppArmor" if outcome.profile else ""
    masked = f", masked to ABI {outcome.masked}" if outcome.masked is not None else ""
    skipped = "; ".join(f"{count} × {reason}" for reason, count in sorted(outcome.skipped.items()))
    failed = str(len(outcome.failed)) if outcome.problem is None else outcome.problem
    return (
        who + masked,
        yama,
        _notification(facts.get("notification", {})),
        "?" if outcome.made is None else " ".join(outcome.made) or "none",
        str(outcome.passed),
        failed,
        skipped or "0",
    )


def _notification(features: dict[str, bool]) -> str:
    has = [label for name, label in FEATURES.items() if features.get(name)]
    lacks = [label for name, label in FEATURES.items() if not features.get(name)]
    return "complete" if not lacks else f"without {', '.join(lacks)}" if has else "none"


def markdown(booted: Iterable[Booted]) -> str:
    """Return the table for a page."""
    lines = [HEAD, ("---",) * len(HEAD), *rows(booted)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def plain(booted: Iterable[Booted], *, colour: bool) -> str:
    """Return the table in columns; with ``colour``, what failed is red."""
    lines = [HEAD, *rows(booted)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD) - 1)]
    failed = HEAD.index("Failed")
    text = ""
    for line in lines:
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=False)]
        if colour and line is not HEAD and line[failed] != "0":
            cells[failed] = f"{RED}{cells[failed]}{PLAIN}"
        text += "  ".join([*cells, line[-1]]).rstrip() + "\n"
    return text
