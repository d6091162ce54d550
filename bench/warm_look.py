"""A closer look at warm launches, for who makes them cheaper; ``make bench`` does without.

    python -m bench.warm_look launch     what a launch of each kind makes the whole host do
    python -m bench.warm_look memory     what the memory of zygote, broker and first process consists of; as root

The host's counters are read before and after many launches, so nothing else should go on.
"""

import collections
import os
import sys
import tempfile
import time

from bench import bwrap, processes, warm, warm_alive
from bench.measured import environment, give_away

FIGURES = {"Pss": "PSS", "Private_Dirty": "own, written", "Private_Clean": "own", "Shared_Dirty": "shared, written"}
"""Columns: what smaps calls it, and what is meant."""
SANDBOXES = 20
LINES = 14


def host() -> dict[str, float]:
    """Return what all processes of this host have done so far (proc_stat(5), proc_vmstat(5))."""
    found = {"core-ms": processes.busy() * 1e3}
    with open("/proc/stat", encoding="ascii") as file:
        lines = dict(line.split()[:2] for line in file)
    found |= {"switches": float(lines["ctxt"]), "processes": float(lines["processes"])}
    with open("/proc/vmstat", encoding="ascii") as file:
        counted = dict(line.split() for line in file)
    return found | {"faults": float(counted["pgfault"])}


def look_at_launches(apart: str, folder: str) -> None:
    """Print what one launch of each kind costs the host."""
    kinds: dict[str, warm.Launch] = {"bwrap": warm.bubble(apart, folder)} if bwrap.program() else {}
    kinds |= {"new": warm.fresh(folder), "new, broker": warm.fresh(folder, 0)}
    with warm.sandbox(folder) as box:
        kinds["live"] = lambda: box.run([warm.TRUE])
        kinds["posix_spawn alone"] = lambda: os.waitpid(os.posix_spawn(warm.TRUE, [warm.TRUE], os.environ), 0)
        for launch in kinds.values():
            for _ in range(warm.WARM_UP // 4):
                launch()
        print(f"{'a launch':<20}{'ms':>8}" + "".join(f"{name:>11}" for name in host()))
        for name, launch in kinds.items():
            before, begin = host(), time.perf_counter()
            for _ in range(warm.LAUNCHES):
                launch()
            wall = (time.perf_counter() - begin) / warm.LAUNCHES * 1e3
            spent = [(after - before[what]) / warm.LAUNCHES for what, after in host().items()]
            print(f"{name:<20}{wall:>8.2f}" + "".join(f"{figure:>11.1f}" for figure in spent))


def mappings(pid: int) -> dict[str, collections.Counter[str]]:
    """Return the figures of a process by the file that is mapped, in KiB (proc_pid_smaps(5))."""
    found: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    name = ""
    with open(f"/proc/{pid}/smaps", encoding="utf-8") as file:
        for line in file:
            words = line.split()
            if not words[0].endswith(":"):
                name = f"{words[5] if len(words) > 5 else 'anonymous'} {words[1]}"
            elif words[0][:-1] in FIGURES:
                found[name][words[0][:-1]] += int(words[1])
    return found


def look_at_memory(folder: str) -> None:
    """Print what the memory of each kind of process consists of."""
    with warm_alive.alive(folder, SANDBOXES, 0) as boxes:
        box = boxes[SANDBOXES // 2]
        zygote, nursery = processes.machinery()
        chosen = {
            "zygote": zygote,
            "nursery": nursery,
            "broker": (box.receipt["broker"] or {}).get("pid"),
            "init": box.pid,
        }
        for name, pid in chosen.items():
            if pid:
                _print_memory(f"{name} ({pid})", mappings(pid))


def _print_memory(title: str, found: dict[str, collections.Counter[str]]) -> None:
    print(f"{title + ', KiB':<64}" + "".join(f"{meaning:>16}" for meaning in FIGURES.values()))
    total: collections.Counter[str] = sum(found.values(), collections.Counter())
    most = sorted(found, key=lambda name: -found[name]["Pss"])[:LINES]
    for line, figures in [("all", total), *((name, found[name]) for name in most)]:
        print(f"  {line[-60:]:<62}" + "".join(f"{figures[figure]:>16}" for figure in FIGURES))


def main(what: str) -> None:
    """Look at one of both."""
    with tempfile.TemporaryDirectory(prefix="openshell-bench.", dir="/var/tmp") as apart:
        os.chmod(apart, 0o755)
        folder = f"{apart}/work"
        os.mkdir(folder)
        give_away(folder)
        with warm.environment(environment(apart)):
            if what == "memory":
                look_at_memory(folder)
            else:
                look_at_launches(apart, folder)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "launch")
