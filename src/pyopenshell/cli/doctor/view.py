"""How findings are told: to people as tables by group, with what to do beneath; to programs as one document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyopenshell.cli import output
from pyopenshell.cli.doctor.codes import BY_CODE, GROUPS, OK, SEVERITIES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pyopenshell.cli.doctor.codes import Check

SCHEMA = "pyopenshell.doctor/1"
ALIKE = 3
"""More device nodes than this with the same fault share a row."""


def document(checks: Sequence[Check], *, works: bool, gpu_works: bool | None) -> dict[str, Any]:
    """Return everything, in the documented shape."""
    return {"schema": SCHEMA, "works": works, "gpu_works": gpu_works, "checks": [check.as_dict() for check in checks]}


def tell(checks: Sequence[Check], *, works: bool, gpu_works: bool | None, gpu: bool) -> None:
    """Print the tables, what to do, and the answer. ``gpu`` says that a sandbox with a GPU was asked for."""
    shown = folded(check for check in checks if not BY_CODE[check.code].quiet)
    width = max(len(name) for name in (*GROUPS.values(), *(check.name for check in shown)))
    for group, heading in GROUPS.items():
        rows = [(check.name.ljust(width), check.status, check.evidence) for check in shown if check.group == group]
        if rows:
            output.table((heading.ljust(width), "status", "seen"), rows)
            output.line()
    _what_to_do(shown)
    tried = all(check.code != "sandbox.untried" for check in checks)
    output.line(verdict(works=works, gpu_works=gpu_works, gpu=gpu, tried=tried))


def verdict(*, works: bool, gpu_works: bool | None, gpu: bool, tried: bool) -> str:
    """Return the last line: whether a sandbox works here, and one with a GPU. ``tried``: one was launched."""
    if not works:
        return "No sandbox works here: see what failed above."
    first = "A sandbox works here." if tried else "A sandbox should work here: none could be tried."
    if gpu_works and tried:
        return f"{first} One with a GPU does too: openshell run --gpu -- openshell gpu probe starts CUDA."
    if gpu or gpu_works is False:
        return f"{first} One with a GPU does not: see what failed above."
    return first


def folded(checks: Iterable[Check]) -> list[Check]:
    """Return the checks; of device nodes that are right, and of many with one finding, one row with their names."""
    alike: dict[object, list[Check]] = {}
    for number, check in enumerate(checks):
        is_node = check.code.startswith("gpu.node-")
        alike.setdefault((check.code, check.severity, check.hint, check.steps) if is_node else number, []).append(check)
    rows = []
    for same in alike.values():
        most = 1 if same[0].status == OK else ALIKE
        rows += same if len(same) <= most else [_one(same)]
    return rows


def _one(same: list[Check]) -> Check:
    names = ", ".join(check.name for check in same)
    meaning = BY_CODE[same[0].code].meaning.rstrip(".")
    return same[0].replace(name=f"{len(same)} nodes", evidence=f"{meaning}: {names}")


def _what_to_do(checks: Sequence[Check]) -> None:
    """Print what to do about everything that is not right, the worst first; the same advice once."""
    todo = [check for check in checks if check.status != OK and (check.hint or check.steps)]
    told: dict[tuple[str | None, tuple[str, ...]], list[Check]] = {}
    for check in sorted(todo, key=lambda check: -SEVERITIES.index(check.severity)):
        told.setdefault((check.hint, check.steps), []).append(check)
    for (hint, steps), same in told.items():
        names = ", ".join(dict.fromkeys(check.name for check in same))
        codes = ", ".join(dict.fromkeys(check.code for check in same))
        output.paragraph(f"{names} [{codes}]: {hint or same[0].evidence}", mark=same[0].status)
        for step in steps:
            output.paragraph(f"$ {step}", indent=4)
    if told:
        output.line()
