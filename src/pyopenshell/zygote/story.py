"""What a sandbox of a zygote leaves behind: its record and its events. Several programs come and go in it."""

from __future__ import annotations

from pyopenshell.audit import context, translate
from pyopenshell.chronicle import Chronicle
from pyopenshell.errors import StateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyopenshell.launch.reports import Counts


class Story(Chronicle):
    """A chronicle of many programs. What cannot be written once the sandbox holds is remembered in ``troubles``."""

    def begun(self, asked: dict[str, Any], pid: int) -> context.Process:
        """Write down that a program runs; ``pid`` is its number in the sandbox. Returns it for its end."""
        workload = self.planned.plan.workload
        argv: tuple[str, ...] = tuple(asked["argv"])
        process = self.process.replace(
            argv=argv,
            path=argv[0],
            workdir=asked["cwd"] or workload.workdir,
            environment=tuple(sorted({*self.process.environment, *(asked["env"] or ())})),
            inside=pid,
            started=context.now(),
        )
        self._try(translate.launched(process, self.context.now()))
        return process

    def not_begun(self, asked: dict[str, Any], why: str) -> None:
        """Write down that a program could not be started."""
        argv: tuple[str, ...] = tuple(asked["argv"])
        process = self.process.replace(argv=argv, path=argv[0] if argv else "")
        self._try(translate.launched(process, self.context.now(), failure=why))

    def over(self, process: context.Process, code: int, signal: int | None) -> None:
        """Write down how a program ended."""
        self._try(translate.exited(process, self.context.now(), code=code, signal=signal))

    def closed(self, programs: int, lost: str | None, counts: Counts | None) -> list[str]:
        """Write down that the sandbox has ended, and return what could not be written."""
        self._try(translate.lifecycle("Stop", self.context.now(), counts))
        told: dict[str, Any] = {"code": 125 if lost else 0, "signal": None, "exec_errno": None, "programs": programs}
        told |= {"lost": lost} if lost else {}
        told |= {"broker": counts.as_dict()} if counts else {}
        try:
            self.record.write_json("exit.json", told)
        except StateError as error:
            self.troubles.append(error.message)
        self.close()
        return self.troubles
