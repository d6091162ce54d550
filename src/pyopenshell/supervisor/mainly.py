"""The main process of a sandbox that stays: when it starts, whether it is started again, how it ended."""

from __future__ import annotations

from pyopenshell.audit import context
from pyopenshell.errors import OpenShellError
from pyopenshell.supervisor import protocol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyopenshell.supervisor.keeper import Keeper
    from pyopenshell.supervisor.program import Program

PATIENCE = 60.0
"""Seconds that it waits for somebody to attach, where it was to wait."""
FIRST, LONGEST = 1.0, 60.0
"""Seconds until it is started again: the first time, and at most, when it has doubled each time."""
STEADY = 60.0
"""Seconds that it must have run for the next time to count as the first one again."""


class Main:
    """The main process, through its restarts. There may be none."""

    def __init__(self, keeper: Keeper, asked: dict[str, Any]) -> None:
        """Start nothing yet."""
        self._keeper = keeper
        self._asked: dict[str, Any] | None = asked["main"]
        self._held: bool = asked["held"]
        self._restart: str = asked["restart"]
        self._restarts = 0
        self._delay = FIRST
        self._next: int | None = None

    @property
    def _program(self) -> Program | None:
        return self._keeper.programs.get(protocol.MAIN)

    def begin(self) -> None:
        """Start it, or wait for who attaches."""
        if self._asked and self._held:
            self._keeper.loop.later(PATIENCE, self.attended)
        elif self._asked:
            self._keeper.run(protocol.MAIN, self._asked)

    def attended(self) -> None:
        """Start it where it waited for this."""
        if self._held and self._asked:
            self._held = False
            self._keeper.run(protocol.MAIN, self._asked)
            self._keeper.changed()

    @property
    def is_held(self) -> bool:
        """Whether it waits for somebody to attach."""
        return self._held and self._asked is not None

    def over(self, program: Program) -> None:
        """Take its end, and have it started again where that is wanted."""
        wanted = self._restart == "always" or (self._restart == "on_failure" and program.code != 0)
        if wanted and program.state == "ended":
            if context.now() - program.started > STEADY * 1000:
                self._delay = FIRST
            self._next = context.now() + int(self._delay * 1000)
            self._keeper.loop.later(self._delay, self._again)
            self._delay = min(2 * self._delay, LONGEST)
        self._keeper.changed()

    def _again(self) -> None:
        before = self._program
        if self._next is None or before is None or not self._asked:
            return
        self._next = None
        self._restarts += 1
        try:
            self._keeper.run(protocol.MAIN, self._asked, before)
        except (OpenShellError, OSError):  # the sandbox is ending; or nothing is left to start it with, as it says
            return
        self._keeper.changed()

    def end(self) -> tuple[int, int | None]:
        """Return its exit code, and the signal it died of; 0 where there was none, or it was ended with its sandbox."""
        program = self._program
        return (program.code or 0, program.signal) if program else (0, None)

    def told(self) -> dict[str, Any]:
        """Return what is told of it."""
        program = self._program
        told: dict[str, Any] = {"restarts": self._restarts, "next": self._next}
        if program is None:
            state = "held" if self.is_held else "none"
            return told | {"state": state, "code": None, "signal": None, "started": None, "pid": 0}
        state = "ended" if program.is_over else "running"
        told |= {"state": state, "code": program.code, "signal": program.signal}
        return told | {"started": program.started or None, "pid": program.pid}
