"""What a process has around it: its zygote, what descends from that, and all that could leak."""

from __future__ import annotations

import os
import select
import time
from typing import TYPE_CHECKING, NamedTuple

from pyopenshell import Policy, Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterable

POLICY = Policy.from_dict({"version": 1, "filesystem_policy": {"include_workdir": True}})
SECONDS = 20
"""How long the end of a process may take whose end was asked for."""
SPARES = 3
"""Processes of sandboxes that are made in advance: one without a broker, one with."""


def sandbox(workdir: str, gpu: int | None = None) -> Sandbox:
    """Return a sandbox for a folder, not started yet; with ``gpu=0`` it has a broker."""
    return Sandbox(POLICY, workdir=workdir, gpu=gpu)


def children(pid: int) -> list[int]:
    """Return the children of a process, ended ones that nobody has waited for included."""
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as file:
                found += map(int, file.read().split())
    except (FileNotFoundError, ProcessLookupError):  # it has just ended
        pass
    return found


def descendants(pid: int) -> list[int]:
    """Return all processes beneath one."""
    return [one for child in children(pid) for one in (child, *descendants(child))]


def zygote() -> int:
    """Return this process's zygote: it has no other child."""
    (found,) = children(os.getpid())
    return found


def machinery() -> list[int]:
    """Return the processes that stay for all sandboxes: the zygote, and its first child, which forks for it."""
    own = zygote()
    return [own, *children(own)[:1]]


def sandboxed() -> list[int]:
    """Return the processes of sandboxes, and those that are about to be: all beneath the zygote that do not stay."""
    own, *helpers = machinery()
    return [pid for pid in descendants(own) if pid not in helpers]


def told(pids: Iterable[int]) -> list[str]:
    """Return processes in words."""
    words = []
    for pid in pids:
        try:
            with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as file:
                line = " ".join(file.read().split("\0"))
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
                state = file.read().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            continue
        words.append(f"{pid} ({state}) {line[:120]}")
    return words


def watch(pids: Iterable[int]) -> list[int]:
    """Return descriptors of processes that live, each readable once its process has ended."""
    watched = []
    for pid in pids:
        try:
            watched.append(os.pidfd_open(pid))
        except ProcessLookupError:
            continue
    return watched


def all_end(watched: Iterable[int]) -> bool:
    """Wait until all these processes have ended; return whether they have. Closes the descriptors."""
    until = time.monotonic() + SECONDS
    ended = True
    for fd in watched:
        ended &= bool(select.select([fd], [], [], max(0, until - time.monotonic()))[0])
        os.close(fd)
    return ended


def nothing_lives(spares: int = 0) -> list[str]:
    """Wait until no process of a sandbox is left, but for spare ones; return those that are after all, in words.

    What was killed takes the kernel a moment, and its parent another one until it has waited for it. The zygote keeps a
    spare sandbox for a moment where one was asked for twice: ``spares`` processes that have not become anything else.
    """
    with open(f"/proc/{zygote()}/cmdline", encoding="utf-8") as file:
        words = " ".join(file.read().split("\0"))[:120]
    until = time.monotonic() + SECONDS
    while True:
        left = told(sandboxed())
        waiting = sum(line.endswith(words) and "(Z)" not in line for line in left)
        if (len(left) <= spares and waiting == len(left)) or time.monotonic() > until:
            return left[spares:] if waiting == len(left) else left
        select.select([], [], [], 0.001)


class Holdings(NamedTuple):
    """What this process, its zygote and what forks for that hold: the numbers of each kind."""

    descriptors: list[int]
    threads: list[int]
    mounts: list[int]


def holdings() -> Holdings:
    """Return what is held once all sandboxes have ended."""
    left = nothing_lives()
    assert [] == left, left
    pids = [os.getpid(), *machinery()]
    with open("/proc/self/mountinfo", "rb") as file:
        mounts = sum(1 for _ in file)
    return Holdings(
        descriptors=[len(os.listdir(f"/proc/{pid}/fd")) for pid in pids],
        threads=[len(os.listdir(f"/proc/{pid}/task")) for pid in pids],
        mounts=[mounts],
    )


def leaks(before: Holdings) -> str:
    """Wait until no more is held than before; return what is after all, in words."""
    until = time.monotonic() + SECONDS
    while True:
        now = holdings()
        if all(new <= old for kind in zip(before, now, strict=True) for old, new in zip(*kind, strict=True)):
            return ""
        if time.monotonic() > until:
            return f"{before} has become {now}"
        select.select([], [], [], 0.01)


def memory(pid: int) -> int:
    """Return the memory of a process that no file backs, in KiB."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("RssAnon:"))
