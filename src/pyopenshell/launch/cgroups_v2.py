"""Limits in cgroups of version 2: one hierarchy, in which only cgroups without processes hand controllers on.

A cgroup hands on those in its ``cgroup.subtree_control``, which it can have only while no process is in it itself,
unless it is the real root (Documentation/admin-guide/cgroup-v2.rst, "No Internal Process Constraint"). So ours are
made, in this order:

- beneath our own cgroup, where it hands on what is needed, or can;
- there too after all its processes, this one among them, were moved into a leaf: where it was delegated, or is all that
  there is in sight, as in a container. Somebody else's cgroup is not rearranged;
- as root beneath the hierarchy's root, as container engines do.
"""

from __future__ import annotations

import errno
import os

from pyopenshell.launch import cgroups_files as files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyopenshell.devices.cgroups import Hierarchy
    from pyopenshell.effective.limits import Limit

MECHANISM = "cgroup v2"
PERIOD = 100_000
LEAF = "openshell-processes"
"""Where the processes of a cgroup go that is to hand on controllers."""
DELEGATED = ("trusted.delegate", "user.delegate")
"""The attributes by which systemd marks what it leaves to others (systemd.resource-control(5), Delegate=)."""
ROUNDS = 10
"""How often what was forked meanwhile is moved, too."""


def parents(place: Hierarchy) -> tuple[str, ...]:
    """Return the cgroups beneath which ours are made, the first choice first."""
    own = os.path.dirname(place.own) if os.path.basename(place.own) == LEAF else place.own
    return tuple(dict.fromkeys((own, place.root))) if os.geteuid() == 0 else (own,)


def make(places: dict[str, Hierarchy], name: str, wanted: list[Limit]) -> tuple[list[str], list[Limit]]:
    """Make ``name`` where most of the controllers can be had; return its folder, and what became of the limits."""
    place = places[wanted[0].name]
    refused: dict[str, OSError] = {}
    best: tuple[str, dict[str, OSError]] | None = None
    for parent in parents(place):
        refused = hand_on(parent, [limit.name for limit in wanted], is_top=parent == place.root)
        if best is None or len(refused) < len(best[1]):
            best = parent, refused
        if not refused:
            break
    assert best  # noqa: S101 - there is at least one parent
    parent, refused = best
    if len(refused) == len(wanted):
        return [], [files.failed(limit, refused[limit.name]) for limit in wanted]
    folder = f"{parent}/{name}"
    try:
        files.make(folder)
    except OSError as error:
        return [], [files.failed(limit, error) for limit in wanted]
    outcomes = [_applied(folder, limit, refused.get(limit.name)) for limit in wanted]
    if all(limit.status == "skipped" for limit in outcomes):
        os.rmdir(folder)
        return [], outcomes
    return [folder], outcomes


def hand_on(folder: str, names: list[str], *, is_top: bool) -> dict[str, OSError]:
    """Have a cgroup hand on these controllers; return why not, for those that it does not.

    ``is_top``: nothing is seen above it.
    """
    there = files.read(f"{folder}/cgroup.controllers").split()
    if _has_processes(folder) and not set(there).isdisjoint(names):
        # Checked before anything is switched on: cpu and pids could be, and then nothing in there would be a cgroup
        # for processes any more ("domain invalid").
        try:
            if not (is_top or _is_delegated(folder)):
                raise OSError(errno.EBUSY, f"processes are in the cgroup {folder}, which is not openshell's to divide")
            _clear(folder)
        except OSError as error:
            return dict.fromkeys(names, error)
    on = files.read(f"{folder}/cgroup.subtree_control").split()
    refused: dict[str, OSError] = {}
    for name in names:
        try:
            if name not in there:
                raise OSError(errno.ENOENT, f"the cgroup {folder} is not given the {name} controller")
            if name not in on:
                files.write(f"{folder}/cgroup.subtree_control", f"+{name}")
        except OSError as error:
            refused[name] = error
    return refused


def _has_processes(folder: str) -> bool:
    """Whether processes are in the way. In the real root, which has no type, they are not."""
    return os.path.exists(f"{folder}/cgroup.type") and bool(files.read(f"{folder}/cgroup.procs").strip())


def _is_delegated(folder: str) -> bool:
    for name in DELEGATED:
        try:
            if os.getxattr(folder, name) == b"1":
                return True
        except OSError:
            continue
    return False


def _clear(folder: str) -> None:
    """Move all processes of a cgroup into a leaf of it. Raises OSError where one stays."""
    leaf = f"{folder}/{LEAF}"
    try:
        os.mkdir(leaf, 0o755)
    except FileExistsError:
        pass
    for _ in range(ROUNDS):
        pids = files.read(f"{folder}/cgroup.procs").split()
        if not pids:
            return
        for pid in pids:
            try:
                files.write(f"{leaf}/cgroup.procs", pid)
            except ProcessLookupError:  # it has ended
                continue
    raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), folder)


def _applied(folder: str, limit: Limit, refused: OSError | None) -> Limit:
    try:
        if refused:
            raise refused
        return _APPLY[limit.name](folder, limit)
    except OSError as error:
        return files.failed(limit, error)


def _cpu(folder: str, limit: Limit) -> Limit:
    files.write(f"{folder}/cpu.max", f"{limit.requested * PERIOD // 1000} {PERIOD}")
    quota, _, period = files.read(f"{folder}/cpu.max").strip().partition(" ")
    if not (quota.isdigit() and period.isdigit()):
        raise OSError(errno.ERANGE, f"cpu.max says {quota} {period}", folder)
    return files.enforced(limit, MECHANISM, int(quota) * 1000 // int(period))


def _memory(folder: str, limit: Limit) -> Limit:
    files.write(f"{folder}/memory.max", str(limit.requested))
    detail: str | None = "no swap"
    try:
        files.write(f"{folder}/memory.swap.max", "0")
    except OSError:
        detail = files.NO_SWAP_LIMIT if files.has_swap() else None
    return files.enforced(limit, MECHANISM, files.number(f"{folder}/memory.max"), detail)


def _pids(folder: str, limit: Limit) -> Limit:
    files.write(f"{folder}/pids.max", str(limit.requested))
    return files.enforced(limit, MECHANISM, files.number(f"{folder}/pids.max"))


_APPLY = {"cpu": _cpu, "memory": _memory, "pids": _pids}


def usage(folder: str) -> dict[str, int]:
    """Return what version 2 tells of a cgroup, by the names of ``Usage``."""
    found = {
        "memory": files.maybe(f"{folder}/memory.current"),
        "memory_peak": files.maybe(f"{folder}/memory.peak"),
        "oom_kills": files.entry(f"{folder}/memory.events", "oom_kill"),
        "cpu": files.entry(f"{folder}/cpu.stat", "usage_usec"),
        "throttled": files.entry(f"{folder}/cpu.stat", "nr_throttled"),
        "pids": files.maybe(f"{folder}/pids.current"),
        "pids_refused": files.entry(f"{folder}/pids.events", "max"),
    }
    return {name: value for name, value in found.items() if value is not None}
