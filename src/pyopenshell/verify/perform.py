"""A verification from beginning to end: of a sandbox that runs, or of one whose program has not started yet."""

from __future__ import annotations

import os

from pyopenshell.effective import load
from pyopenshell.effective.names import Names
from pyopenshell.errors import OpenShellError
from pyopenshell.launch import endpoint, probing
from pyopenshell.launch.probe import UNTRIED
from pyopenshell.verify.around import Around, remove
from pyopenshell.verify.attempts import plan
from pyopenshell.verify.judge import Verification, judge

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pyopenshell.effective.model import Effective
    from pyopenshell.runs import RunView
    from pyopenshell.verify.attempt import Attempt

    Try = Callable[[list[tuple[Any, ...]]], list[int]]
    """Tries attempts inside a sandbox; fewer answers where that ended early."""


def fresh(effective: Effective, receipt: dict[str, Any], attempt: Try) -> Verification:
    """Verify a sandbox of this process, whose program has not started. Raises OpenShellError, and as ``attempt``."""
    return _verify(effective, receipt, os.getpid(), attempt)


def live(view: RunView) -> Verification:
    """Verify a sandbox that runs, by its record. Raises OpenShellError where it does not, or cannot be asked."""
    effective, receipt = view.effective(), view.receipt()
    if view.state != "running" or effective is None or receipt is None:
        raise OpenShellError(
            f"sandbox {view.name} does not run (it is {view.state}), so there is nothing to try",
            hint="openshell sandbox list shows those that do; openshell run --verify tries before the program starts",
            code="sandbox.not-running",
        )
    return _verify(load.from_dict(effective), receipt, view.meta()["supervisor_pid"], lambda calls: _ask(view, calls))


def _verify(effective: Effective, receipt: dict[str, Any], supervisor: int, attempt: Try) -> Verification:
    around = Around(effective)
    attempts: tuple[Attempt, ...] = ()
    left_behind: tuple[str, ...] = ()
    try:
        attempts = plan(effective, receipt, around.seen(effective.identity, supervisor))
        answers = attempt([one.call for one in attempts])
    except OSError as error:  # what nobody could be asked
        raise OpenShellError(
            f"the sandbox {effective.name} cannot be asked: {error.strerror or 'its supervisor does not answer'}",
            hint="it has ended, or its supervisor was stopped, or the state folder's file system has no FIFOs",
            code="verify.unreachable",
        ) from error
    finally:
        around.close()
        left_behind = remove(attempts, around.token, Names(effective.grants).on_host)
    if not answers:
        raise OpenShellError(
            f"nobody answers in sandbox {effective.name}",
            hint="a program in it may have stopped or killed the probe, its supervisor may have been stopped (SIGSTOP, "
            "Ctrl-Z), or the host is out of processes",
            code="verify.unreachable",
        )
    left = attempts[len(answers) :]
    judged = judge(attempts, [*answers, *[UNTRIED] * len(left)])
    stopped_at = f"{left[0].what} {left[0].target}" if left else None
    unconfined = effective.landlock.abi == 0
    return Verification(effective.name, effective.run_id, judged, stopped_at, left_behind, unconfined)


def _ask(view: RunView, calls: list[tuple[Any, ...]]) -> list[int]:
    """Let a probe be started through the sandbox's door. Raises OSError."""
    folder = os.open(view.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        connection = endpoint.ask(folder, endpoint.PROBE, view.meta()["supervisor_pid"])
        try:
            return probing.talk(connection, calls)
        finally:
            connection.close()
    finally:
        os.close(folder)
