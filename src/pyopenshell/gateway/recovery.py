"""What became of sandboxes while no gateway ran, or since the one that made them was killed."""

from __future__ import annotations

import asyncio
import signal
import time
from typing import TYPE_CHECKING

from pyopenshell.errors import OpenShellError, SandboxGone, StateError
from pyopenshell.gateway import remains
from pyopenshell.supervisor import reach

if TYPE_CHECKING:
    from typing import Any

    from pyopenshell.gateway.box import Box
    from pyopenshell.gateway.engine import Engine
    from pyopenshell.runs import RunView

AT_ONCE = 3.0
"""Seconds that a gateway waits for a supervisor before it serves; one that was stopped is looked for further on."""
PATIENCE = 15.0
"""Seconds for a launch that was under way when the last gateway ended, to succeed or to give up."""
PAUSE = 0.05
SILENT = "Silent"
"""The reason of phase ERROR for a sandbox that runs, and whose supervisor does not answer."""
_WHY = {
    "PROVISIONING": "the gateway ended before it was made",
    "STARTING": "the gateway ended while it was started",
}


async def recover(engine: Engine, box: Box, view: RunView | None) -> None:
    """Bring what is known of a stored sandbox up to date with what is there. ``view`` is its newest run."""
    if box.row.phase == "DELETING":
        await _delete(engine, box)
    elif view is None or not remains.is_alive(view):
        await _over(box, view)
    elif not await _found(engine, box, view):
        if box.row.phase not in _WHY:
            _silent(box, view)
        engine.begin(_wait(engine, box, view))


async def _found(engine: Engine, box: Box, view: RunView) -> bool:
    try:
        engine.follow(box, await engine.supervisors.find(view.path, AT_ONCE))
    except SandboxGone:
        return False
    if box.row.phase == "STOPPING":
        engine.begin(engine.stop(box.row.workspace, box.row.name))
    return True


def _silent(box: Box, view: RunView) -> None:
    pid = reach.signal_supervisor(view.path, 0)
    who = f"its supervisor (process {pid})" if pid else "its supervisor"
    box.change(phase="ERROR", reason=SILENT, message=f"{who} does not answer; it may have been stopped")


async def _wait(engine: Engine, box: Box, view: RunView) -> None:
    """Look for a supervisor until it answers or is gone."""
    until = time.monotonic() + PATIENCE
    while remains.is_alive(view):
        await asyncio.sleep(PAUSE)
        async with box.lock:
            if box.is_deleted or box.supervised or engine.is_closing or await _found(engine, box, view):
                return
        if time.monotonic() > until:
            _silent(box, view)
    async with box.lock:
        if not box.is_deleted and not box.supervised:
            await _over(box, view)


async def _over(box: Box, view: RunView | None) -> None:
    """Note how a sandbox ended that has no processes any more."""
    if view:
        await asyncio.to_thread(remains.discard, view)
    before = box.row.phase
    if before == "STOPPED" or (before == "ERROR" and box.row.reason != SILENT):
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


async def _delete(engine: Engine, box: Box) -> None:
    """Go on with what was begun."""
    try:
        await engine.delete(box.row.workspace, box.row.name)
    except OpenShellError as error:
        box.change(phase="ERROR", reason="DeleteFailed", message=error.message)


async def end(engine: Engine, box: Box) -> None:
    """See to it that no run of a sandbox is alive of which this gateway has no supervisor. Raises OpenShellError."""
    view = await asyncio.to_thread(remains.run, box.row.name, box.row.id)
    until = time.monotonic() + PATIENCE
    while view and remains.is_alive(view):
        try:
            await (await engine.supervisors.find(view.path, AT_ONCE)).stop()
        except SandboxGone as error:
            if not reach.signal_supervisor(view.path, signal.SIGKILL) and time.monotonic() > until:
                raise OpenShellError(
                    f"the supervisor of sandbox {box.row.name} neither answers nor ends",
                    hint=f"see with lslocks(8) which process holds {view.path}, and end that",
                    code="sandbox.silent",
                ) from error
            await asyncio.sleep(PAUSE)
    if view:
        await asyncio.to_thread(remains.discard, view)
