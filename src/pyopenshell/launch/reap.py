"""End what a sandbox leaves behind. With a pid namespace the kernel does it; without one, these do."""

from __future__ import annotations

import os
import select
import time

from pyopenshell.kernel import process
from pyopenshell.kernel.signals import SIGALRM, SIGCHLD, SIGKILL

PATIENCE = 5.0
"""Seconds after which a process that was killed and is still there counts as unkillable (uninterruptible sleep)."""
ALONE = SIGALRM
"""What the stem is sent when the supervisor dies: it then ends the sandbox itself, also an init that was stopped."""
SURVIVORS = 254
"""The stem's exit code when it could not end everything; whatever is left is the supervisor's child from then on."""


class Service:
    """Something to serve while waiting: ``ready`` is called whenever ``fd`` is; -1 for nothing (any more)."""

    fd = -1

    def ready(self, events: int) -> None:
        """Serve. ``events`` is what poll(2) says of the descriptor, which may be another one afterwards."""


def wait_and_sweep(pid: int, service: Service | None = None) -> int:
    """Wait until a child or our parent ends, then kill all descendants. Returns the child's exit code.

    A death by signal n is 128+n; 125 where the parent ended first, told by ``ALONE``.
    """
    code = _wait(pid, service or Service())
    if sweep():
        return SURVIVORS
    return code if code >= 0 else 128 - code


def _wait(pid: int, service: Service) -> int:
    """Wait. A stopped child is killed: without a pid namespace the program can stop init, which is then of no use."""
    events = process.signal_fd((ALONE, SIGCHLD))
    poll = select.poll()
    poll.register(events, select.POLLIN)
    served = -1
    while (code := _ended(pid)) is None:
        waiting = True
        while waiting:
            if service.fd != served:
                if served >= 0:
                    poll.unregister(served)
                served = service.fd
                if served >= 0:
                    poll.register(served, select.POLLIN)
            for fd, what in poll.poll():
                if fd == events:
                    waiting = False
                else:
                    service.ready(what)
        while (told := process.read_signal(events)) is not None:
            if told[0] == ALONE:
                os.kill(pid, SIGKILL)  # a pid namespace's first process, and so all of it
                return 125
    return code


def _ended(pid: int) -> int | None:
    """Return the exit code of a child, None while it lives."""
    ended, status = os.waitpid(pid, os.WNOHANG | os.WUNTRACED)
    if not ended:
        return None
    if os.WIFSTOPPED(status):
        os.kill(pid, SIGKILL)
        return None
    return os.waitstatus_to_exitcode(status)


def end_domain() -> None:
    """Kill every other process of this Landlock domain, which must scope signals.

    At one stroke: what is just forking is killed before it has, so nothing can outrun this (kill(2), pid -1).
    """
    try:
        os.kill(-1, SIGKILL)
    except (ProcessLookupError, PermissionError):  # there is none; none but others'
        pass


def sweep(spare: frozenset[int] = frozenset()) -> list[int]:
    """Kill all descendants of this subreaper but those beneath its children ``spare``. Returns what survived.

    A killed child's own children become ours, so only children are looked for, as fast as can be: something that
    forks its successor and ends is not there for long.
    """
    deadline = time.monotonic() + PATIENCE
    while left := [pid for pid in children() if pid not in spare]:
        for pid in left:
            try:
                os.kill(pid, SIGKILL)
                os.waitpid(pid, os.WNOHANG)
            except OSError:  # it has just gone
                pass
        if time.monotonic() > deadline:
            break
    return left


def children() -> list[int]:
    """Return this process's children that are not reaped yet, as /proc tells them (proc_pid_task(5)).

    No process where /proc is that of a pid namespace below: its numbers are not ours, and it ends with its first one.
    """
    found: list[int] = []
    try:
        threads = os.listdir("/proc/self/task")
    except FileNotFoundError:
        return []
    try:
        for thread in threads:
            with open(f"/proc/self/task/{thread}/children", "rb") as file:  # a codec would have to be imported
                found += map(int, file.read().split())
    except FileNotFoundError:  # a kernel without CONFIG_PROC_CHILDREN
        return _children_by_search()
    return found


def _children_by_search() -> list[int]:
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    parent = file.read().rpartition(b")")[2].split()[1]
            except OSError:
                continue
            if int(parent) == os.getpid():
                found.append(int(name))
    return found
