"""What a sandbox leaves behind in which several programs come and go: its record and its events."""

from __future__ import annotations

from pyopenshell.audit import context, translate
from pyopenshell.audit.log import Log
from pyopenshell.effective.model import Finding
from pyopenshell.errors import StateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyopenshell.launch.reports import Counts, Use
    from pyopenshell.runs import Run


class Story:
    """A chronicle of many programs. What cannot be written once the sandbox holds is remembered in ``troubles``."""

    def __init__(self, record: Run, here: context.Context, process: context.Process, log: Log | None = None) -> None:
        """Open the log, or take over an open one. Raises StateError.

        ``process`` is any program of it, before anything is known of one.
        """
        self._record = record
        self._context = here
        self._process = process
        self._log = log or Log(record.lock)
        self._troubles: list[str] = []

    def brokered(self, use: Use) -> None:
        """Write down the broker's report about a process."""
        self._try(translate.brokered(use, self._context.now()))

    def begun(self, asked: dict[str, Any], pid: int) -> context.Process:
        """Write down that a program runs; ``pid`` is its number in the sandbox. Returns it for its end."""
        process = self._of(asked, pid)
        self._try(translate.launched(process, self._context.now()))
        return process

    def not_begun(self, asked: dict[str, Any], why: str) -> None:
        """Write down that a program could not be started."""
        self._try(translate.launched(self._of(asked), self._context.now(), failure=why))

    def over(self, process: context.Process, code: int, signal: int | None) -> None:
        """Write down how a program ended."""
        self._try(translate.exited(process, self._context.now(), code=code, signal=signal))

    def revised(self, told: dict[str, Any]) -> None:
        """Write down a policy whose network section alone is another than before (``supervisor.protocol.REVISE``).

        The receipt keeps the digest that it was made for beside the new one: nothing that it attests has changed.
        Raises StateError.
        """
        import json

        receipt: dict[str, Any] = json.loads(self._record.read("receipt.json"))
        receipt.setdefault("launch_digest", receipt["effective_digest"])
        self._record.write("policy.yaml", told["text"].encode())
        self._record.write("effective.json", told["effective"])
        self._record.write_json("receipt.json", {**receipt, "effective_digest": told["digest"]})
        now = self._context.now()
        self._log.append(*(translate.finding(Finding(**found), now) for found in told["findings"]))

    def closed(
        self, programs: int, lost: str | None, counts: Counts | None, end: tuple[int, int | None] = (0, None)
    ) -> list[str]:
        """Write down that the sandbox has ended, and return what could not be written.

        ``end`` is the main process's exit code, and the signal it died of, where there was one.
        """
        self._try(translate.lifecycle("Stop", self._context.now(), counts))
        code, signal = (125, None) if lost else end
        told: dict[str, Any] = {"code": code, "signal": signal, "exec_errno": None, "programs": programs}
        told |= {"lost": lost} if lost else {}
        told |= {"broker": counts.as_dict()} if counts else {}
        try:
            self._record.write_json("exit.json", told)
        except StateError as error:
            self._troubles.append(error.message)
        return self._troubles

    def close(self) -> None:
        """Close the log."""
        self._log.close()

    def _of(self, asked: dict[str, Any], pid: int | None = None) -> context.Process:
        argv: tuple[str, ...] = tuple(asked["argv"])
        names = self._process.environment
        return self._process.replace(
            argv=argv,
            path=argv[0] if argv else "",
            workdir=asked["cwd"] or self._process.workdir,
            environment=tuple(sorted({*names, *asked["env"]})) if asked["env"] else names,
            inside=pid,
            started=context.now() if pid else None,
        )

    def _try(self, *events: dict[str, Any]) -> None:
        """Log events of a sandbox that holds already: a full disk must not end it."""
        try:
            self._log.append(*events)
        except StateError as error:
            if error.message not in self._troubles:  # a full disk is one trouble, however many events it costs
                self._troubles.append(error.message)
