"""A function of a test, run in a sandbox."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyopenshell.record import Record
from pyopenshell.testing import shipping
from pyopenshell.testing.state import open_workdir

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyopenshell.policy.model import Policy
    from pyopenshell.sandbox.box import Sandbox

INSIDE = Path(__file__).with_name("inside.py").read_text(encoding="utf-8")
"""The program that runs the function."""


class Confined(Record):
    """What came of a function, or of a piece of source, in a sandbox.

    ``value`` is what it returned. Where it raised an exception instead, ``error`` is its last line, as
    ``PermissionError: ...``, ``errno`` the number of an OSError, and ``traceback`` all of it. ``stdout``, ``stderr``
    and ``exit`` are those of the interpreter; ``finished`` says whether the function came to its end, one way or other.
    """

    value: Any
    error: str | None
    errno: int | None
    traceback: str
    stdout: str
    stderr: str
    exit: int
    finished: bool

    def check(self) -> Any:
        """Return the value. Raises AssertionError where there is none, with what is known about why."""
        if self.error is not None:
            raise AssertionError(f"raised inside the sandbox:\n{self.traceback}")
        if not self.finished:
            raise AssertionError(f"the sandboxed interpreter ended with exit code {self.exit}:\n{self.stderr}")
        return self.value


def run_confined(
    code: Callable[..., Any] | str,
    *arguments: Any,
    policy: Policy | str | os.PathLike[str] | None = None,
    box: Sandbox | None = None,
    timeout: float = 60.0,
    **options: Any,
) -> Confined:
    """Run a function with these arguments, or a piece of source without any, in a sandbox, and return what came of it.

    The sandbox is ``box``, or a new one with this policy and these other ``options`` of ``Sandbox``; its working folder
    is a throwaway one unless ``workdir`` names another. ``timeout`` is in seconds.

    A function goes in as its source: it can use what it imports, modules that its own module has imported, and its
    arguments; these and what it returns must be JSON. It takes a ``python3`` in the sandbox, of any version that
    understands it. Raises ValueError for a function that uses more, CommandTimeout, and as ``Sandbox``.
    """
    from pyopenshell.sandbox.box import Sandbox

    task = shipping.task(code, arguments)
    token = os.urandom(16).hex()
    with ExitStack() as stack:
        if box is None:
            if "workdir" not in options:
                options["workdir"] = stack.enter_context(open_workdir())
            box = stack.enter_context(Sandbox(policy, **options))
        elif policy is not None or options:
            raise ValueError("a sandbox that exists has its policy and options already")
        told = json.dumps({**task, "token": token})
        result = box.run(["python3", "-I", "-c", INSIDE], input=told, timeout=timeout)
    stdout, found, report = result.stdout.rpartition(token)
    if not found:
        stdout, report = result.stdout, "{}"
    outcome: dict[str, Any] = json.loads(report)
    return Confined(
        value=outcome.get("value"),
        error=outcome.get("error"),
        errno=outcome.get("errno"),
        traceback=outcome.get("traceback", ""),
        stdout=stdout,
        stderr=result.stderr,
        exit=result.exit,
        finished=bool(found),
    )
