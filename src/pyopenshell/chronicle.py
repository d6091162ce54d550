"""What a run leaves behind: the files of its record and its audit events, written at the moments that matter."""

from __future__ import annotations

from pyopenshell.audit import context, translate
from pyopenshell.audit.log import Log
from pyopenshell.effective.settle import outcomes, settle
from pyopenshell.errors import StateError
from pyopenshell.launch import environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyopenshell.effective.model import Effective, Finding
    from pyopenshell.errors import OpenShellError
    from pyopenshell.launch.ending import Exit
    from pyopenshell.launch.reports import Use
    from pyopenshell.planning import Planned
    from pyopenshell.runs import Run


class Chronicle:
    """One run's files and events. Until ``started`` every failure to write is raised; afterwards it is remembered."""

    def __init__(self, planned: Planned, record: Run) -> None:
        """Open the log. Raises StateError."""
        self.planned = planned
        self.record = record
        self.context = context.here(planned.effective.name, planned.effective.run_id)
        self.log = Log(record.path)
        self.process = _process(planned)
        self.troubles: list[str] = []
        self.effective = planned.effective

    def enforced(self, receipt: dict[str, Any]) -> Effective:
        """Write down what the kernel accepted, before the program may start. Raises StateError and LaunchError."""
        effective = settle(self.planned.effective, outcomes(receipt), quiet=receipt["landlock"]["quiet"])
        self.effective = effective
        self.record.write_json("effective.json", effective.as_dict())
        self.record.write_json("receipt.json", receipt)
        self.log.append(
            *translate.enrichments(effective, self.context),
            translate.enforcement(effective, receipt, self.context),
            *(translate.finding(finding, self.context) for finding in effective.findings),
            translate.lifecycle("Start", self.context),
        )
        return effective

    def drifted(self, effective: Effective, findings: tuple[Finding, ...]) -> None:
        """Write down what a verification found to be otherwise than reported. Raises StateError."""
        if findings:
            self.effective = effective.replace(findings=(*effective.findings, *findings))
            self.log.append(*(translate.finding(finding, self.context.now()) for finding in findings))

    def failed(self, error: OpenShellError) -> None:
        """Write down, as far as that is possible, why the program was not started."""
        try:
            self.record.write_json("effective.json", self.effective.replace(state="failed").as_dict())
            self.record.write_json("exit.json", {"code": 125, "signal": None, "error": error.as_dict()["error"]})
            self.log.append(translate.launched(self.process, self.context.now(), failure=error.message))
        except StateError:
            pass  # the failure itself is on its way to the caller, and says more

    def started(self, pid: int) -> None:
        """Write down that the program runs."""
        self.process = self.process.replace(pid=pid, started=context.now())
        self._try(translate.launched(self.process, self.context.now()))

    def brokered(self, use: Use) -> None:
        """Write down the broker's report about a process."""
        self._try(translate.brokered(use, self.context.now()))

    def ended(self, end: Exit) -> Exit:
        """Write down how it ended, and return that together with what could not be written."""
        now = self.context.now()
        end = end.replace(likely=self._likely(end))
        self._try(
            translate.exited(self.process, now, code=end.code, signal=end.signal),
            translate.lifecycle("Stop", now, end.broker),
        )
        try:
            told: dict[str, Any] = {"code": end.code, "signal": end.signal, "exec_errno": end.exec_errno}
            told |= {"lost": end.lost} if end.lost else {}
            told |= {"broker": end.broker.as_dict()} if end.broker else {}
            told |= {"likely": list(end.likely)} if end.likely else {}
            self.record.write_json("exit.json", told)
        except StateError as error:
            self.troubles.append(error.message)
        return end.replace(troubles=tuple(self.troubles))

    def _likely(self, end: Exit) -> tuple[str, ...]:
        """Return why a program that uses devices probably failed."""
        if self.effective.devices is None:
            return ()
        from pyopenshell.effective.aftermath import likely

        return likely(self.effective, end.code, end.signal, end.broker.by_kind if end.broker else None)

    def close(self) -> None:
        """Close the log."""
        self.log.close()

    def _try(self, *events: dict[str, Any]) -> None:
        """Log events of a program that runs already: a full disk must not end it."""
        try:
            self.log.append(*events)
        except StateError as error:
            if error.message not in self.troubles:  # a full disk is one trouble, however many events it costs
                self.troubles.append(error.message)


def _process(planned: Planned) -> context.Process:
    workload = planned.plan.workload
    return context.Process(
        argv=workload.argv,
        path=workload.executable,
        uid=planned.identity.uid,
        gid=planned.identity.gid,
        user=planned.identity.user,
        workdir=workload.workdir,
        environment=environment.names(workload.environment),
    )
