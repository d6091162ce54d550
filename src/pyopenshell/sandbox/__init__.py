"""The public face: run a command in a sandbox, with its record, its receipt and its events.

``run`` launches one from this process and ends with it, as the command does. ``box.Sandbox`` and ``aio.AsyncSandbox``
keep one and run any number of commands in it; the zygote launches those, so that they need nothing of what a launch
imports. It is imported when first used, for their sake.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pyopenshell import runs
    from pyopenshell.chronicle import Chronicle
    from pyopenshell.effective.model import Effective
    from pyopenshell.launch import supervisor
    from pyopenshell.launch.ending import Exit
    from pyopenshell.launch.trial import Trial
    from pyopenshell.planning import Planned, RunRequest, plan
    from pyopenshell.verify.judge import Verification

    Notice = Callable[[Planned, Effective], None]
    Verified = Callable[[Verification], None]

__all__ = ["Planned", "RunRequest", "plan", "run"]


def __getattr__(name: str) -> object:
    """Import what planning defines, when it is first asked for."""
    if name not in ("Planned", "RunRequest", "plan"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from pyopenshell import planning

    return getattr(planning, name)


def run(
    request: RunRequest,
    notice: Notice | None = None,
    trial: Trial | None = None,
    verified: Verified | None = None,
) -> Exit:
    """Run the command in a sandbox and wait for it. ``notice`` is told what is in force just before the command starts.

    With ``verified`` the sandbox is verified then, and that is told; the command starts only where nothing in it is
    otherwise than reported, and everything could be tried. The run's record is there from before the launch, with the
    receipt from before the command's first instruction. Raises what ``plan`` raises, LaunchError, NameInUse,
    StateError, and OpenShellError for drift.
    """
    # Here, while a trial that is under way still measures in a child of its own.
    import pyopenshell.launch.supervisor  # noqa: F401
    from pyopenshell import runs
    from pyopenshell.planning import plan

    planned = plan(request, trial, keep_id=True)
    effective = planned.effective
    try:
        if trial:
            trial.close()
        record = runs.create(effective.name, planned.policy.source.text, planned.meta(), run_id=effective.run_id)
        try:
            return _run(planned, record, notice, verified)
        finally:
            record.close()
    finally:
        planned.close()


def _run(planned: Planned, record: runs.Run, notice: Notice | None, verified: Verified | None) -> Exit:
    from pyopenshell.launch import private

    if planned.private.host:
        private.sweep()
        lock = private.make(planned.private, planned.identity.uid, planned.identity.gid)
        try:
            return _launch(planned, record, notice, verified)
        finally:
            private.remove(planned.private)
            os.close(lock)
    return _launch(planned, record, notice, verified)


def _launch(planned: Planned, record: runs.Run, notice: Notice | None, verified: Verified | None) -> Exit:
    from pyopenshell.errors import OpenShellError
    from pyopenshell.launch import supervisor

    launch = supervisor.Launch(planned.plan)
    # Imported while the child works, on another processor: a twentieth of a cold launch.
    from pyopenshell.chronicle import Chronicle

    try:
        chronicle = Chronicle(planned, record)
    except BaseException:
        launch.abort()
        raise
    try:
        receipt = launch.receipt()
        effective = chronicle.enforced(receipt)
        if notice:
            notice(planned, effective)
        if verified:
            _verify(launch, chronicle, effective, receipt, verified)
        launch.open_door(record.lock)
        launch.go()
    except BaseException as error:
        launch.abort()
        if not isinstance(error, OpenShellError):
            error = OpenShellError(f"{type(error).__name__}: {error}", code="internal")
        chronicle.failed(error)
        raise
    chronicle.started(launch.init_pid)
    end = chronicle.ended(launch.wait(chronicle.brokered))
    chronicle.close()
    return end


def _verify(
    launch: supervisor.Launch, chronicle: Chronicle, effective: Effective, receipt: dict[str, Any], told: Verified
) -> None:
    """Hold the sandbox against its report. Raises OpenShellError where they differ, or something was not tried."""
    from pyopenshell.audit import translate
    from pyopenshell.verify import perform

    verification = perform.fresh(effective, receipt, launch.probe)
    now = chronicle.context.now()
    event = translate.verified(verification.verdict, verification.summary, verification.counts, now)
    chronicle.log.append(event)
    chronicle.drifted(effective, verification.findings)
    told(verification)
    verification.check()
