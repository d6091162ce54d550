"""The public face: run a command in a sandbox, with its record, its receipt and its events."""

from __future__ import annotations

import os

from pyopenshell import runs
from pyopenshell.audit import context, translate
from pyopenshell.audit.log import Log
from pyopenshell.effective.settle import outcomes, settle
from pyopenshell.errors import LaunchError
from pyopenshell.launch import environment, private, supervisor
from pyopenshell.planning import Planned, RunRequest, plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pyopenshell.effective.model import Effective
    from pyopenshell.launch.trial import Trial

__all__ = ["Planned", "RunRequest", "plan", "run"]


def run(
    request: RunRequest,
    notice: Callable[[Planned, Effective], None] | None = None,
    trial: Trial | None = None,
) -> supervisor.Exit:
    """Run the command in a sandbox and wait for it. ``notice`` is told what is in force just before the command starts.

    The run's record is there from before the launch, with the receipt from before the command's first instruction.
    Raises what ``plan`` raises, LaunchError, NameInUse and StateError.
    """
    planned = plan(request, trial, keep_id=True)
    effective = planned.effective
    try:
        record = runs.create(effective.name, planned.policy.source.text, _meta(planned), run_id=effective.run_id)
        try:
            return _launch(planned, record, notice)
        finally:
            if planned.private.host:
                private.remove(planned.private)
            record.close()
    finally:
        planned.close()


def _launch(planned: Planned, record: runs.Run, notice: Callable[[Planned, Effective], None] | None) -> supervisor.Exit:
    effective = planned.effective
    surroundings = context.here(effective.name, effective.run_id)
    log = Log(record.path)
    process = _process(planned)
    if planned.private.host:
        private.make(planned.private, planned.identity.uid, planned.identity.gid)
    launch = supervisor.Launch(planned.plan)
    try:
        receipt = launch.receipt()
    except LaunchError as error:
        record.write_json("effective.json", effective.replace(state="failed").as_dict())
        record.write_json("exit.json", {"code": 125, "signal": None, "error": error.as_dict()["error"]})
        log.append(translate.launched(process, surroundings.now(), failure=error.message))
        raise
    try:
        effective = settle(effective, outcomes(receipt))
        record.write_json("effective.json", effective.as_dict())
        record.write_json("receipt.json", receipt)
        log.append(
            *translate.enrichments(effective, surroundings),
            translate.enforcement(effective, receipt, surroundings),
            *(translate.finding(finding, surroundings) for finding in effective.findings),
            translate.lifecycle("Start", surroundings),
        )
        if notice:
            notice(planned, effective)
    except BaseException:
        launch.abort()
        raise
    started = process.replace(pid=launch.init_pid, started=context.now())
    launch.go()
    log.append(translate.launched(started, surroundings.now()))
    end = launch.wait()
    record.write_json("exit.json", {"code": end.code, "signal": end.signal, "exec_errno": end.exec_errno})
    now = surroundings.now()
    log.append(
        translate.exited(started, now, code=end.code, signal=end.signal),
        translate.lifecycle("Stop", now),
    )
    log.close()
    return end


def _meta(planned: Planned) -> dict[str, Any]:
    workload = planned.plan.workload
    return {
        "schema": "pyopenshell.run/1",
        "command": list(workload.argv),
        "executable": workload.executable,
        "workdir": workload.workdir,
        "environment": environment.names(workload.environment),
        "gpu": planned.request.gpu,
        "user": planned.identity.user,
        "supervisor_pid": os.getpid(),
        "started": context.now(),
    }


def _process(planned: Planned) -> context.Process:
    workload = planned.plan.workload
    return context.Process(
        argv=workload.argv,
        path=workload.executable,
        uid=planned.identity.uid,
        gid=planned.identity.gid,
        user=planned.identity.user,
        workdir=workload.workdir,
        environment=tuple(environment.names(workload.environment)),
    )
