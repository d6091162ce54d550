"""Sandboxes of ``openshell run``, and others that no store knows of: they are listed too, from their records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from openshell._proto import openshell_pb2

from pyopenshell import runs
from pyopenshell.errors import NoSuchSandbox, StateError
from pyopenshell.gateway.store import Sandbox

if TYPE_CHECKING:
    from pyopenshell.runs import RunView

ORIGIN = "pyopenshell/origin"
"""The annotation that says where such a sandbox comes from."""
_PHASES = {"starting": "STARTING", "running": "READY", "exited": "COMPLETED", "lost": "ERROR"}


def live(known: frozenset[str], own_runs: frozenset[str]) -> list[Sandbox]:
    """Return those that are alive, but for runs of the sandboxes with the ids ``known``. Raises StateError.

    ``own_runs`` are the ids of runs that need not be looked at to know that.
    """
    return [
        row for view in runs.list_runs() if view.id not in own_runs and (row := _row(view, known)) and _is_alive(row)
    ]


def find(name: str, known: frozenset[str]) -> Sandbox | None:
    """Return one by its name, alive or over, but for runs of sandboxes with the ids ``known``. Raises StateError."""
    try:
        view = runs.find(name)
    except NoSuchSandbox:
        return None
    return _row(view, known)


def _is_alive(row: Sandbox) -> bool:
    return row.phase in ("STARTING", "READY")


def _row(view: RunView, known: frozenset[str]) -> Sandbox | None:
    try:
        meta = view.meta()
        if meta.get("sandbox_id") in known:
            return None
        end = view.exit()
    except StateError:
        return None
    state = view.state
    if state == "lost" and meta.get("sandbox_id"):
        return None  # of a sandbox that was deleted, or is about to be found again
    return Sandbox(
        id=view.id,
        workspace="default",
        name=view.name,
        labels={},
        annotations={ORIGIN: "gateway" if meta.get("sandbox_id") else "run"},
        spec=openshell_pb2.SandboxSpec(command=meta.get("command", [])).SerializeToString(),
        phase=_PHASES[state],  # type: ignore[arg-type]
        reason="",
        message="its supervisor was killed" if state == "lost" else "",
        run_id=view.id,
        exit_code=end["code"] if end else None,
        workdir=meta.get("workdir"),
        policy_version=1,
        restarts=0,
        resource_version=1,
        created=int(meta.get("started", 0)),
        main_started=int(meta.get("started", 0)),
        request_id="",
    )
