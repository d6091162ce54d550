"""Run records: what was asked for, what the kernel accepted, how it ended (docs/design.md, section 7).

``<state>/openshell/runs/<ULID>/`` is a run, ``<state>/openshell/names/<name>`` a link to the newest run of that name.
The names folder is the registry: whatever is added or removed, is so under a lock on it. A run's own folder is locked
(flock(2)) for as long as its supervisor lives: the kernel lets go when it dies. Everything appears whole, by rename, so
a kill at any instant leaves nothing torn. Nothing is synced to the disk: a power failure is another matter.
"""

from __future__ import annotations

import os

from pyopenshell.errors import NameInUse, NoSuchSandbox, UsageError
from pyopenshell.runs.names import check_name, generated_name, is_name, new_id
from pyopenshell.runs.registry import Registry, Run, target
from pyopenshell.runs.view import RunView
from pyopenshell.state import config_root, is_locked, state_root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

__all__ = ["Run", "RunView", "check_name", "config_root", "create", "delete", "find", "generated_name", "list_runs"]
__all__ += ["new_id", "prune", "state_root"]

KEEP_RUNS = 100
"""How many runs that are over are kept, unless the environment variable OPENSHELL_KEEP_RUNS says otherwise.

A quarter more may pile up before the oldest are removed: ext4 passes over inodes that were freed lately, one by one, so
that a file is made ten times as slowly for half a minute after others were removed (``recently_deleted``, Linux 3.14).
"""

AT_ONCE = 25
"""How many runs ``tidy`` takes out of sight while it holds the lock, for which launches wait."""


def create(
    name: str | None, policy_text: str, meta: dict[str, Any], *, run_id: str | None = None, tidy: bool = True
) -> Run:
    """Begin a record with ``policy.yaml`` and ``meta.json`` in it, and register its name.

    Without ``tidy`` what is over is not pruned: that is the caller's to do now and then. ``meta`` gets ``schema``,
    ``id`` and ``name``. Without a name one is made up, without ``run_id`` an id.
    Raises NameInUse for the name of a live sandbox, StateError, and UsageError.
    """
    run_id = run_id or new_id()
    name = generated_name(run_id) if name is None else name
    check_name(name)
    keep = _keep()
    with Registry() as registry:
        if tidy:
            registry.sweep()
            registry.prune(keep, spare=keep // 4)
        if is_locked(name, registry.names):
            raise NameInUse(f"a sandbox named {name} is running", hint="choose another name, or stop that one first")
        return registry.add(run_id, name, policy_text, meta)


def list_runs() -> list[RunView]:
    """Return all runs, the newest first. Raises StateError."""
    root = state_root()
    if not os.path.lexists(root):
        return []
    with Registry(change=False) as registry:
        return [RunView(f"{root}/runs/{run}") for run in reversed(registry.ids())]


def find(name_or_id: str) -> RunView:
    """Return the newest run of a name, or the run with an id. Raises NoSuchSandbox, StateError."""
    views = {view.id: view for view in list_runs()}
    found = views.get(name_or_id)
    if not found and is_name(name_or_id):
        found = views.get(target(f"{state_root()}/names/{name_or_id}"))
        # A link that leads nowhere: someone was killed while removing. The records themselves know.
        found = found or next((view for view in views.values() if view.name == name_or_id), None)
    if not found:
        raise NoSuchSandbox(f"there is no sandbox {name_or_id!r}", hint=_nearest(name_or_id, views.values()))
    return found


def delete(name_or_id: str) -> tuple[str, ...]:
    """Remove every run of a name, or one run by its id; return their ids.

    Raises NoSuchSandbox, StateError, and NameInUse (code ``sandbox.running``) when one of them is alive.
    """
    find(name_or_id)
    with Registry() as registry:
        views = list_runs()
        chosen = [view for view in views if name_or_id in (view.id, view.name)]
        for view in chosen:
            if is_locked(view.id, registry.runs):
                raise NameInUse(f"sandbox {view.name} is running", hint="stop it first", code="sandbox.running")
        names = {view.name for view in chosen}
        left = [view for view in views if view not in chosen and view.name in names]
        registry.discard([view.id for view in chosen])
        if left:
            registry.link(left[0].name, left[0].id)
        return tuple(view.id for view in chosen)


def prune(keep: int) -> None:
    """Remove the oldest runs that are over, all but the newest ``keep``. Raises StateError."""
    with Registry() as registry:
        registry.prune(keep)


def tidy() -> None:
    """Do what ``create`` does beside: remove leftovers, and the oldest runs. Raises StateError, UsageError."""
    keep = _keep()
    if not os.path.lexists(state_root()):  # removed since: it is not made again for nothing
        return
    with Registry() as registry:
        registry.sweep()
    with Registry(change=False) as registry:
        old = registry.old(keep)
    for start in range(0, len(old), AT_ONCE):
        some = old[start : start + AT_ONCE]
        with Registry() as registry:
            registry.hide(some)
        with Registry(change=False) as registry:
            registry.delete(some)


def _keep() -> int:
    text = os.environ.get("OPENSHELL_KEEP_RUNS", str(KEEP_RUNS))
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise UsageError(f"OPENSHELL_KEEP_RUNS cannot be {text!r}", hint=f"it is a number; the default is {KEEP_RUNS}")
    return int(text)


def _nearest(name: str, views: Iterable[RunView]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, [view.name for view in views], n=1)
    return f"did you mean {close[0]}?" if close else "openshell sandbox list shows those there are"
