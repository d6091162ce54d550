"""One sandbox as the gateway knows it: what is stored of it, and its supervisor while it has one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pyopenshell.errors import OpenShellError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import Any

    from pyopenshell.gateway.store import AsyncStore, Sandbox
    from pyopenshell.supervisor.supervised import Supervised

ALIVE = ("READY", "COMPLETED")
"""Phases in which there is a supervisor."""
TERMINAL = ("COMPLETED", "STOPPED", "ERROR")
"""Phases that no sandbox leaves by itself."""


class NotRunning(OpenShellError):
    """The sandbox has no processes now: it was stopped, or has failed."""

    code = "sandbox.not-running"


class Box:
    """A sandbox. Its row is changed here first and then on the disk, in the same order."""

    def __init__(self, store: AsyncStore, row: Sandbox) -> None:
        """Take a row that is stored."""
        self.row = row
        self.supervised: Supervised | None = None
        self.lock = asyncio.Lock()
        """Held while it is started, stopped or deleted."""
        self.is_deleted = False
        self.trouble: OpenShellError | None = None
        """Why the last change may not be on the disk."""
        self._store = store
        self._changed = asyncio.Event()
        self._writing: asyncio.Task[None] | None = None

    def change(self, **changes: Any) -> None:
        """Change the row at once, and have that written. A change to what it is already is none."""
        if all(getattr(self.row, name) == value for name, value in changes.items()):
            return
        self.row = self.row.replace(**changes, resource_version=self.row.resource_version + 1)
        before = self._writing
        self._writing = asyncio.get_running_loop().create_task(self._write(self.row.id, changes, before))
        self.wake()

    def put(self, row: Sandbox) -> None:
        """Take a row that the store has changed."""
        self.row = row
        self.wake()

    async def settled(self) -> None:
        """Wait until all changes are on the disk, or could not be written."""
        while self._writing and not self._writing.done():
            await asyncio.shield(self._writing)

    async def _write(self, id_: str, changes: dict[str, Any], before: asyncio.Task[None] | None) -> None:
        if before:
            await asyncio.wait([before])
        try:
            await self._store.call(lambda store: store.update_sandbox(id_, **changes))
            self.trouble = None
        except OpenShellError as error:  # a full disk: what is true is told all the same, from memory
            self.trouble = error

    def wake(self) -> None:
        """Let those who watch look."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def watch(self) -> AsyncIterator[Sandbox]:
        """Yield the row as it is, and after every change; of many at once only the last. Ends when it is deleted."""
        while True:
            changed, row = self._changed, self.row
            yield row
            if self.is_deleted:
                return
            if self.row is row:
                await changed.wait()

    # Its supervisor.

    def attach(self, supervised: Supervised) -> None:
        """Follow its supervisor from now on."""
        self.supervised = supervised
        supervised.on_change.append(self._look)
        self._look()

    def alive(self) -> Supervised:
        """Return its supervisor. Raises NotRunning."""
        if self.supervised is None or self.supervised.gone.done():
            raise NotRunning(
                f"sandbox {self.row.name} does not run: it is {self.row.phase.lower()}"
                + (f" ({self.row.message})" if self.row.message and self.row.phase != "STOPPED" else ""),
                hint=f"openshell sandbox start {self.row.name} starts it",
            )
        return self.supervised

    def _look(self) -> None:
        """Take over how its processes fare."""
        found = self.supervised
        if found is None or self.row.phase in ("STOPPING", "DELETING"):
            return
        if found.gone.done():
            self.supervised = None
            why = found.gone.result()
            if why is None:
                self.change(phase="STOPPED", reason="Stopped", message="it was stopped")
            else:
                self.change(phase="ERROR", reason="Lost", message=why)
            return
        main = found.main
        self.change(
            phase="COMPLETED" if main.state == "ended" and main.next is None else "READY",
            exit_code=main.code if main.state == "ended" else None,
            restarts=main.restarts,
            main_started=main.started,
            run_id=found.run_id,
            reason="",
            message="",
        )
