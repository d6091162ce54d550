"""What there is of a sandbox on the disk: its own folder, its runs' records, and what a killed supervisor has left."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from pyopenshell import runs
from pyopenshell.errors import NoSuchSandbox, StateError
from pyopenshell.launch import dynamic_id, private
from pyopenshell.state import open_folder, state_root
from pyopenshell.supervisor import protocol

if TYPE_CHECKING:
    from pyopenshell.runs import RunView

PATIENCE = 5.0
"""Seconds within which the kernel has taken back what a process held that was killed."""


def make(folder: str) -> None:
    """Make a sandbox's own folder, for us alone until its supervisor gives it to the identity. Raises StateError."""
    parent = os.path.dirname(folder)
    root = os.path.dirname(parent)
    os.close(open_folder(root))
    # Who works in a folder in there must be able to pass through; what it is called nobody can list.
    for path in (root, parent):
        if path == parent:
            os.makedirs(path, 0o711, exist_ok=True)
        os.chmod(path, 0o711)  # noqa: S103
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        pass


def newest() -> dict[str, RunView]:
    """Return the newest run of each sandbox, by the sandbox's id. Raises StateError."""
    found: dict[str, RunView] = {}
    for view in runs.list_runs():
        id_ = sandbox_id(view)
        if id_:
            found.setdefault(id_, view)
    return found


def run(name: str, id_: str) -> RunView | None:
    """Return the newest run of one sandbox."""
    try:
        view = runs.find(name)
    except (NoSuchSandbox, StateError):
        return None
    return view if sandbox_id(view) == id_ else None


def sandbox_id(view: RunView) -> str | None:
    """Return the id of the sandbox that a run is one of; None for one of ``openshell run``."""
    try:
        return view.meta().get("sandbox_id")
    except StateError:
        return None


def is_alive(view: RunView) -> bool:
    """Whether a run has a supervisor, or a launch that is to become one."""
    return view.state in ("starting", "running")


def remove(name: str, id_: str, folder: str | None) -> None:
    """Remove a sandbox's records and its own folder. Raises StateError; NameInUse while a run of it is alive."""
    others = False
    for view in runs.list_runs():
        if sandbox_id(view) == id_:
            discard(view)
            try:
                runs.delete(view.id)
            except NoSuchSandbox:  # pruned just now
                pass
        elif not others:
            others = view.name == name
    if not others:
        dynamic_id.forget(name, f"{state_root()}/ids")
    if folder:
        private.remove_folder(folder)


def discard(view: RunView) -> None:
    """Remove what a supervisor leaves that was killed: cgroups with all in them, a folder of the host, its socket."""
    try:
        cgroups, told = view.meta().get("cgroups", ()), view.exit()
    except StateError:
        return
    if told is not None or is_alive(view):
        return  # it has seen to that, or will
    for name in (protocol.SOCKET, protocol.KEY):
        try:
            os.unlink(f"{view.path}/{name}")
        except OSError:  # there was none yet, or nothing can be removed here
            pass
    private.discard(view.id)
    if cgroups:
        _discard_cgroups(cgroups)


def _discard_cgroups(folders: list[str]) -> None:
    from pyopenshell.launch import cgroups

    until = time.monotonic() + PATIENCE
    # A process that was killed lets go of its locks one after the other.
    while any(map(os.path.isdir, folders)) and time.monotonic() < until:
        cgroups.discard(folders)
        time.sleep(0.01)
