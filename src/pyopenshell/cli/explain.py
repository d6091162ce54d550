"""``openshell run --explain``: the numbered steps and the effective policy, without running anything."""

from __future__ import annotations

from pyopenshell import sandbox
from pyopenshell.cli import effective_view, output
from pyopenshell.launch.describe import describe
from pyopenshell.launch.trial import Trial


def explain(request: sandbox.RunRequest, form: str, trial: Trial) -> int:
    """Print the plan of a request as a table, JSON or YAML, and return the exit code."""
    output.prepare_streams()
    planned = sandbox.plan(request, trial)
    try:
        shape = planned.effective.as_dict()
        if form == "table":
            output.title("Plan", first=True)
            for line in describe(planned.plan):
                output.line(f"  {line}")
            effective_view.show(shape)
        else:
            output.document({"steps": describe(planned.plan), "effective": shape}, form)
    finally:
        planned.close()
    return 0
