"""Limits in cgroups of version 1: each controller has a hierarchy of its own (Documentation/admin-guide/cgroup-v1)."""

from __future__ import annotations

import os

from pyopenshell.launch import cgroups_files as files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyopenshell.devices.cgroups import Hierarchy
    from pyopenshell.effective.limits import Limit

MECHANISM = "cgroup v1"
PERIOD = 100_000
"""Microseconds in which the quota of processor time is dealt out; as in version 2."""
ACCOUNTS = "cpuacct"
"""The controller that counts processor time; it may have a hierarchy of its own."""


def parents(place: Hierarchy) -> tuple[str, ...]:
    """Return the cgroups beneath which ours are made."""
    return (place.own,)


def make(places: dict[str, Hierarchy], name: str, wanted: list[Limit]) -> tuple[list[str], list[Limit]]:
    """Make ``name`` in each hierarchy that is needed; return these folders, and what became of the limits."""
    made: dict[str, None] = {}
    used: set[str] = set()
    outcomes = []
    for limit in wanted:
        folder = f"{places[limit.name].own}/{name}"
        try:
            files.make(folder)
            made[folder] = None
            outcomes.append(_APPLY[limit.name](folder, limit))
            used.add(folder)
        except OSError as error:
            outcomes.append(files.failed(limit, error))
    if ACCOUNTS in places and any(limit.name == "cpu" and limit.status == "enforced" for limit in outcomes):
        folder = f"{places[ACCOUNTS].own}/{name}"
        try:
            files.make(folder)
            made[folder] = None
            used.add(folder)
        except OSError:
            pass  # then processor time is limited, and not counted
    for folder in made:
        if folder not in used:
            os.rmdir(folder)
    return [folder for folder in made if folder in used], outcomes


def _cpu(folder: str, limit: Limit) -> Limit:
    files.write(f"{folder}/cpu.cfs_period_us", str(PERIOD))
    files.write(f"{folder}/cpu.cfs_quota_us", str(limit.requested * PERIOD // 1000))
    quota, period = files.number(f"{folder}/cpu.cfs_quota_us"), files.number(f"{folder}/cpu.cfs_period_us")
    return files.enforced(limit, MECHANISM, quota * 1000 // period)


def _memory(folder: str, limit: Limit) -> Limit:
    files.write(f"{folder}/memory.limit_in_bytes", str(limit.requested))
    detail: str | None = "memory and swap together"
    try:
        files.write(f"{folder}/memory.memsw.limit_in_bytes", str(limit.requested))
    except OSError:
        detail = files.NO_SWAP_LIMIT if files.has_swap() else None
    return files.enforced(limit, MECHANISM, files.number(f"{folder}/memory.limit_in_bytes"), detail)


def _pids(folder: str, limit: Limit) -> Limit:
    files.write(f"{folder}/pids.max", str(limit.requested))
    return files.enforced(limit, MECHANISM, files.number(f"{folder}/pids.max"))


_APPLY = {"cpu": _cpu, "memory": _memory, "pids": _pids}


def usage(folder: str) -> dict[str, int]:
    """Return what version 1 tells of a cgroup, by the names of ``Usage``."""
    memory, cpu = f"{folder}/memory.", f"{folder}/cpu"
    found = {
        "memory": files.maybe(f"{memory}usage_in_bytes"),
        "memory_peak": files.maybe(f"{memory}max_usage_in_bytes"),
        "oom_kills": files.entry(f"{memory}oom_control", "oom_kill"),
        "throttled": files.entry(f"{cpu}.stat", "nr_throttled"),
        "pids": files.maybe(f"{folder}/pids.current"),
        "pids_refused": files.entry(f"{folder}/pids.events", "max"),
    }
    nanoseconds = files.maybe(f"{cpu}acct.usage")
    found["cpu"] = None if nanoseconds is None else nanoseconds // 1000
    return {name: value for name, value in found.items() if value is not None}
