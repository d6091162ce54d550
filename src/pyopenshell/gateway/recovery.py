"""What became of sandboxes while no gateway ran, or since the one that made them was killed."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from pyopenshell import runs
from pyopenshell.errors import NoSuchSandbox, OpenShellError, SandboxGone, StateError

if TYPE_CHECKING:
    from typing import Any

    from pyopenshell.gateway.box import Box
    from pyopenshell.gateway.engine import Engine
    from pyopenshell.runs import RunView

PATIENCE = 15.0
"""Seconds for a launch that was under way when the last gateway ended, to succeed or to give up."""
_WHY = {
    "PROVISIONING": "the gateway ended before it was made",
    "STARTING": "the gateway ended while it was started",
}


async def recover(engine: Engine, box: Box) -> None:
    """Bring what is known of a stored sandbox up to date with what is there."""
    if box.row.phase == "DELETING":
        await _delete(engine, box)
        return
    view = await asyncio.to_thread(_run, box.row.name, box.row.id)
    deadline = time.monotonic() + PATIENCE
    while view and view.state in ("starting", "running"):
        try:
            box.attach(await engine.supervisors.find(view.path))
        except SandboxGone:
            if time.monotonic() > deadline:
                box.change(phase="ERROR", reason="Silent", message="its supervisor does not answer")
                return
            await asyncio.sleep(0.02)
        else:
            if box.row.phase == "STOPPING":
                await engine.stop(box.row.workspace, box.row.name)
            return
    if view:
        await asyncio.to_thread(_discard, view)
    _over(box, view)


def _discard(view: RunView) -> None:
    """Remove the cgroups of a run whose supervisor was killed."""
    try:
        left = view.meta().get("cgroups")
    except StateError:
        return
    if left:
        from pyopenshell.launch import cgroups

        cgroups.discard(left)


def _over(box: Box, view: RunView | None) -> None:
    """Note how a sandbox ended that has no processes any more."""
    before = box.row.phase
    if before in ("STOPPED", "ERROR"):
        return
    if before in _WHY:
        box.change(phase="ERROR", reason="Interrupted", message=_WHY[before])
        return
    end = _exit(view)
    if end is None:
        box.change(phase="ERROR", reason="Lost", message="its supervisor was killed while no gateway ran")
    elif end.get("lost"):
        box.change(phase="ERROR", reason="Lost", message=str(end["lost"]))
    else:
        box.change(phase="STOPPED", reason="Stopped", message="it was stopped")


def _exit(view: RunView | None) -> dict[str, Any] | None:
    try:
        return view.exit() if view else None
    except StateError:
        return None


def _run(name: str, id_: str) -> RunView | None:
    """Return the newest run of a sandbox."""
    try:
        view = runs.find(name)
        return view if view.meta().get("sandbox_id") == id_ else None
    except (NoSuchSandbox, StateError):
        return None


async def _delete(engine: Engine, box: Box) -> None:
    """Go on with what was begun."""
    view = await asyncio.to_thread(_run, box.row.name, box.row.id)
    if view and view.state in ("starting", "running"):
        try:
            box.attach(await engine.supervisors.find(view.path))
        except SandboxGone:
            pass
    try:
        await engine.delete(box.row.workspace, box.row.name)
    except OpenShellError as error:
        box.change(phase="ERROR", reason="DeleteFailed", message=error.message)
