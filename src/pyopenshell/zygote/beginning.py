"""How the record of a sandbox begins: what the kernel accepted, or why there is none."""

from __future__ import annotations

from pyopenshell.audit import translate
from pyopenshell.errors import StateError
from pyopenshell.zygote.story import Story

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyopenshell.audit.context import Context
    from pyopenshell.errors import OpenShellError
    from pyopenshell.runs import Run
    from pyopenshell.zygote.warm import Warm


class Beginning(Story):
    """A story that is told from the plan on."""

    def __init__(self, warm: Warm, record: Run, here: Context) -> None:
        """Open the log. Raises StateError."""
        super().__init__(record, here, warm.process)
        self.digest = warm.identified.digest(record.name)
        self._warm = warm

    def enforced(self, receipt: dict[str, Any]) -> None:
        """Write down what the kernel accepted, before any program may start. Raises StateError and LaunchError."""
        now = self._context.now()
        mold = self._warm.mold(receipt, now)
        effective, events, shorthand = mold.fill(self._record.name, self._record.id, self.digest, now.time)
        self._record.write("effective.json", effective)
        self._record.write_json("receipt.json", receipt)
        self._log.append_lines(events, shorthand)

    def failed(self, error: OpenShellError) -> None:
        """Write down, as far as that is possible, why there is no sandbox."""
        effective = self._warm.planned.effective.replace(name=self._record.name, run_id=self._record.id, state="failed")
        try:
            self._record.write_json("effective.json", effective.as_dict())
            self._record.write_json("exit.json", {"code": 125, "signal": None, "error": error.as_dict()["error"]})
            self._log.append(translate.launched(self._process, self._context.now(), failure=error.message))
        except StateError:
            pass  # the failure itself is on its way to the owner, and says more
