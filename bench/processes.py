"""What the kernel tells of processes: whose children they are, the memory they hold, the time they spend."""

import os
import sys
from collections.abc import Iterable

NANO = 1_000_000_000


def children(pid: int) -> list[int]:
    """Return the children of a process, the oldest first (proc_tid_children(5))."""
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as file:
                found += [int(word) for word in file.read().split()]
    except (FileNotFoundError, ProcessLookupError):  # it has just ended
        pass
    return found


def descendants(pid: int) -> list[int]:
    """Return all processes beneath one."""
    return [one for child in children(pid) for one in (child, *descendants(child))]


def machinery() -> list[int]:
    """Return what stays for all sandboxes of this process: its zygote, and the first child of that, which forks for it.

    Exits where this process has another child besides.
    """
    own = children(os.getpid())
    if len(own) != 1:
        sys.exit(f"one child was expected, the zygote; there are {len(own)}")
    return [*own, *children(own[0])[:1]]


def sandboxed() -> list[int]:
    """Return the processes of this process's sandboxes."""
    staying = machinery()
    return [pid for pid in descendants(staying[0]) if pid not in staying]


def share(pid: int) -> float:
    """Return the PSS of a process in MiB (proc_pid_smaps_rollup(5)). Only root may know it of what is not dumpable."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Pss:")) / 1024


def spent(pids: Iterable[int]) -> int:
    """Return the nanoseconds that processes of one thread each have run on a processor (sched-stats(5))."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/schedstat", encoding="ascii") as file:
            total += int(file.read().split()[0])
    return total


def busy() -> float:
    """Return the seconds that all processors have worked since the host's start: not idle, not waiting for a disk."""
    with open("/proc/stat", encoding="ascii") as file:
        user, nice, system, _idle, _disk, *interrupts = (int(word) for word in file.readline().split()[1:9])
    return (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")
