"""End what a sandbox leaves behind. With a pid namespace the kernel does it; without one, this kill loop."""

from __future__ import annotations

import os

from pyopenshell.kernel.signals import SIGKILL

ROUNDS = 1000
"""How often the loop looks again: a fork bomb needs a few rounds, an unkillable process would need for ever."""


def wait_and_sweep(pid: int) -> int:
    """Wait for a child, then kill whatever was re-parented to this subreaper, and return the child's exit code.

    A death by signal n is 128+n.
    """
    done = 0
    while done != pid:
        done, status = os.waitpid(-1, 0)
    sweep()
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def sweep(spare: frozenset[int] = frozenset()) -> list[int]:
    """Kill all descendants of this process but ``spare``. Returns the pids that survived (uninterruptible sleep)."""
    left: list[int] = []
    for _ in range(ROUNDS):
        left = [pid for pid in descendants(os.getpid()) if pid not in spare]
        for pid in left:
            try:
                os.kill(pid, SIGKILL)
                os.waitpid(pid, os.WNOHANG)
            except OSError:  # gone, or a grandchild: it comes to us when its parent ends
                pass
        if not left:
            break
    return left


def descendants(root: int) -> list[int]:
    """Return the pids below ``root`` that still run, nearest first, as /proc tells them (proc_pid_stat(5))."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    state, parent = file.read().rpartition(b")")[2].split()[:2]
            except (OSError, ValueError):
                continue
            if state != b"Z":
                children.setdefault(int(parent), []).append(int(name))
    found: list[int] = []
    queue = [root]
    while queue:
        for pid in children.get(queue.pop(0), ()):
            found.append(pid)
            queue.append(pid)
    return found
