"""Which sandboxes a gateway knows, and how they are found: its own, and those of ``openshell run``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pyopenshell.errors import NoSuchSandbox
from pyopenshell.gateway import adopted
from pyopenshell.gateway.box import NotRunning

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pyopenshell.gateway.box import Box
    from pyopenshell.gateway.store import Sandbox
    from pyopenshell.supervisor.supervised import Supervised


class Roster:
    """The sandboxes of one gateway, by id and by name."""

    def __init__(self) -> None:
        """Know none yet."""
        self._boxes: dict[str, Box] = {}
        self._names: dict[str, str] = {}
        """The ids; also of those that are about to be made."""

    def _keep(self, box: Box) -> None:
        self._boxes[box.row.id] = box
        self._names[box.row.name] = box.row.id

    def box(self, workspace: str, name: str) -> Box:
        """Return a sandbox of the store. Raises NoSuchSandbox."""
        box = self._boxes.get(self._names.get(name, ""))
        if box is None or box.row.workspace != workspace or box.is_deleted:
            raise NoSuchSandbox(f"there is no sandbox {name!r}", hint="openshell sandbox list shows those there are")
        return box

    def boxes(self) -> list[Box]:
        """Return all sandboxes of the store, the oldest first."""
        return [box for box in self._boxes.values() if not box.is_deleted]

    async def get(self, workspace: str, name: str) -> Sandbox:
        """Return a sandbox, also one of ``openshell run``. Raises NoSuchSandbox."""
        try:
            return self.box(workspace, name).row
        except NoSuchSandbox:
            found = (
                await asyncio.to_thread(adopted.find, name, frozenset(self._boxes)) if _is_default(workspace) else None
            )
            if found is None:
                raise
            return found

    async def list(self, workspace: str | None) -> list[Sandbox]:
        """Return the sandboxes of a workspace, or of all (None), the oldest first; with those of ``openshell run``."""
        rows = [box.row for box in self.boxes() if workspace in (None, box.row.workspace)]
        if workspace is None or _is_default(workspace):
            own_runs = frozenset(box.row.run_id for box in self._boxes.values() if box.row.run_id)
            rows += await asyncio.to_thread(adopted.live, frozenset(self._boxes), own_runs)
        return sorted(rows, key=lambda row: row.id)

    def watch(self, id: str) -> AsyncIterator[Sandbox]:  # noqa: A002
        """Yield a sandbox as it is and as it becomes. Raises NoSuchSandbox."""
        if id not in self._boxes:
            raise NoSuchSandbox(f"no sandbox has the id {id}")
        return self._boxes[id].watch()

    async def supervised(self, workspace: str, name: str) -> Supervised:
        """Return the supervisor of a sandbox. Raises NoSuchSandbox, NotRunning."""
        try:
            return self.box(workspace, name).alive()
        except NoSuchSandbox:
            row = await self.get(workspace, name)
            raise NotRunning(
                f"sandbox {row.name} was started by openshell run: nothing else can be started in it",
                hint="openshell sandbox create makes sandboxes that serve exec, connect and SSH",
                code="sandbox.of-run",
            ) from None


def _is_default(workspace: str) -> bool:
    return workspace == "default"
