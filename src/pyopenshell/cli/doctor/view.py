"""How findings are told: to people as tables by group, with what to do beneath; to programs as one document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyopenshell.cli import output
from pyopenshell.cli.doctor.codes import BY_CODE, FAIL, GROUPS, OK, SEVERITIES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pyopenshell.cli.doctor.codes import Check

ALIKE = 3
"""More device nodes than this with the same finding, one after another, share a row."""


def document(checks: Sequence[Check], *, works: bool, gpu_works: bool | None) -> dict[str, Any]:
    """Return everything, in the documented shape."""
    return {"works": works, "gpu_works": gpu_works, "checks": [check.as_dict() for check in checks]}


def tell(checks: Sequence[Check], *, works: bool, gpu_works: bool | None, gpu: bool) -> None:
    """Print the tables, what to do, and the answer. ``gpu`` says that a sandbox with a GPU was asked for."""
    shown = list(folded(check for check in checks if not BY_CODE[check.code].quiet))
    width = max(len(name) for name in (*GROUPS.values(), *(check.name for check in shown)))
    for group, heading in GROUPS.items():
        rows = [(check.name.ljust(width), check.status, check.evidence) for check in shown if check.group == group]
        if rows:
            output.table((heading.ljust(width), "status", "seen"), rows)
            output.line()
    _what_to_do(shown)
    output.line(verdict(works=works, gpu_works=gpu_works, gpu=gpu))


def verdict(*, works: bool, gpu_works: bool | None, gpu: bool) -> str:
    """Return the last line: whether a sandbox works here, and one with a GPU."""
    if not works:
        return "No sandbox works here: see what failed above."
    if gpu_works:
        return "A sandbox works here. One with a GPU does too: openshell run --gpu -- openshell gpu probe starts CUDA."
    if gpu or gpu_works is False:
        return "A sandbox works here. One with a GPU does not: see what failed above."
    return "A sandbox works here."


def folded(checks: Iterable[Check]) -> Iterable[Check]:
    """Yield the checks; of many device nodes with the same finding one, with their names as what was seen."""
    series: list[Check] = []
    for check in checks:
        if series and (check.code, check.severity, check.steps) != (
            series[0].code,
            series[0].severity,
            series[0].steps,
        ):
            yield from _one(series)
            series = []
        series.append(check)
    yield from _one(series)


def _one(series: list[Check]) -> list[Check]:
    if len(series) <= ALIKE or not series[0].code.startswith("gpu.node-"):
        return series
    first, names = series[0], [check.name for check in series]
    meaning = BY_CODE[first.code].meaning.rstrip(".")
    return [first.replace(name=f"{len(series)} nodes", evidence=f"{meaning}: {', '.join(names)}")]


def _what_to_do(checks: Sequence[Check]) -> None:
    """Print what to do about everything that is not right, the worst first; the same advice once."""
    todo = [check for check in checks if check.status != OK and (check.hint or check.steps)]
    told: dict[tuple[str | None, tuple[str, ...]], list[Check]] = {}
    for check in sorted(todo, key=lambda check: -SEVERITIES.index(check.severity)):
        told.setdefault((check.hint, check.steps), []).append(check)
    for (hint, steps), same in told.items():
        names = ", ".join(dict.fromkeys(check.name for check in same))
        status = FAIL if any(check.status == FAIL for check in same) else same[0].status
        output.paragraph(f"{names}: {hint or same[0].evidence}", mark=status)
        for step in steps:
            output.paragraph(f"$ {step}", indent=4)
    if told:
        output.line()
