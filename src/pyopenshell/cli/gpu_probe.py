"""``openshell gpu probe``: start CUDA where this runs, in a sandbox or outside of one, and say what fails and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyopenshell.cli import output
from pyopenshell.devices.probe.probing import probe as take
from pyopenshell.devices.probe.steps import OK

if TYPE_CHECKING:
    import argparse

    from pyopenshell.devices.probe.needs import Lacking
    from pyopenshell.devices.probe.probing import Probe

SCHEMA = "pyopenshell.gpu-probe/1"


def probe(arguments: argparse.Namespace) -> int:
    """Take the steps and print them. Returns 0 where CUDA starts and shows a device and nothing failed, else 1."""
    found = take(arguments.python, arguments.timeout)
    if arguments.output != "table":
        output.document(_document(found), arguments.output)
    else:
        _show(found)
    return 0 if found.works else 1


def _document(found: Probe) -> dict[str, object]:
    lacking = [
        {"path": one.need.path, "tried": one.need.way, "status": one.status, "answer": one.answer, "by": one.by}
        | {"reason": one.need.reason, "mend": one.mend}
        for one in found.lacking
    ]
    steps = [
        step.as_dict() | {"seconds": None if step.seconds is None else round(step.seconds, 3)} for step in found.steps
    ]
    return {"schema": SCHEMA, "works": found.works, "steps": steps, "lacking": lacking}


def _show(found: Probe) -> None:
    rows = [
        (step.name, step.status, "" if step.seconds is None else f"{step.seconds:.2f}", step.message)
        for step in found.steps
    ]
    output.table(("step", "result", "seconds", "what came of it"), rows)
    if found.lacking:
        output.title("What it lacks here, the likeliest cause first")
        rows = [(one.need.path, one.status, _answer(one), one.need.reason) for one in found.lacking]
        output.table(("path", "result", "answer", "needed for"), rows, indent=2)
        output.line()
        for mend in dict.fromkeys(one.mend for one in found.lacking):
            paths = ", ".join(one.need.path for one in found.lacking if one.mend == mend)
            output.paragraph(f"{paths}: {mend}", indent=2)
    output.line()
    output.paragraph(_verdict(found))


def _answer(one: Lacking) -> str:
    return f"{one.answer}, by {one.by}" if one.by else one.answer


def _verdict(found: Probe) -> str:
    failure = found.failure
    if failure is None:
        return "CUDA works here."
    if failure is found.steps[0]:
        return (
            f"CUDA cannot start here: {failure.message}. It comes with NVIDIA's driver; "
            "-o json lists where it was looked for."
        )
    head = "CUDA works here but for one step" if found.steps[2].status == OK else "CUDA does not work here"
    text = f"{head}: {failure.name}: {failure.message}."
    if not found.lacking:
        text += " Nothing of what it is known to need is denied: try the same outside of the sandbox, and see dmesg."
    return text


VERBS = {"probe": probe}
