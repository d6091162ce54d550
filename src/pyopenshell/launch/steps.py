"""The steps of a launch as they are done: what the receipt lists, and what a failure is reported with."""

from __future__ import annotations

from pyopenshell.launch.plan import STEPS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CONTROL = 3
"""The child's end of the control socket."""
REPORTS = 4
"""The broker's way to the supervisor (``launch.reports``)."""


class StepFailed(Exception):
    """A step did not do what it must. Carried to the supervisor as a frame, never further."""

    def __init__(self, errno: int, message: str) -> None:
        """Keep the kernel's error number (0 if it was not the kernel) and a sentence."""
        super().__init__(message)
        self.errno = errno
        self.message = message


class Steps:
    """The steps done so far, for the receipt, and the current one, for a failure's report."""

    def __init__(self) -> None:
        """Start before the first step."""
        self.done: list[dict[str, Any]] = []
        self.current = STEPS[0]

    def run(self, name: str, result: str = "done") -> Step:
        """Enter a step; leaving the ``with`` block records it."""
        self.current = name
        return Step(self, name, result)


class Step:
    """One step under way."""

    def __init__(self, steps: Steps, name: str, result: str) -> None:
        """Remember where to record."""
        self.steps = steps
        self.name = name
        self.result = result

    def __enter__(self) -> Step:
        """Begin."""
        return self

    def __exit__(self, kind: object, _error: object, _trace: object) -> None:
        """Record the step unless it failed."""
        if kind is None:
            n = STEPS.index(self.name) + 1
            self.steps.done.append({"n": n, "name": self.name, "result": self.result, "errno": 0})
