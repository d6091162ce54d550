"""The steps of a launch as they are done: what the receipt lists, and what a failure is reported with."""

from __future__ import annotations

import os

from pyopenshell.launch import wire
from pyopenshell.launch.plan import STEPS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

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


def guarded(steps: Steps, body: Callable[[], int]) -> NoReturn:
    """End this process with the exit code of ``body``; what it raises is reported as the failure of a step."""
    code = 125
    try:
        code = body()
    except StepFailed as error:
        _report(steps.current, error.errno, error.message)
    except OSError as error:
        call = error.filename if isinstance(error.filename, str) else None
        text = error.strerror or str(error)
        _report(steps.current, error.errno or 0, f"{call}: {text}" if call else text)
    except BaseException as error:
        _report(steps.current, 0, f"{type(error).__name__}: {error}")
    finally:
        os._exit(code)


def _report(step: str, errno: int, message: str) -> None:
    try:
        wire.send_value(CONTROL, wire.FAILURE, {"step": step, "errno": errno, "message": message})
    except OSError:
        os._exit(125)
