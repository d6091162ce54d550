"""Owners of sandboxes under a keeper: whatever they start, and whoever ends them, what is left falls to it.

The keeper is a subreaper (PR_SET_CHILD_SUBREAPER(2const)): the kernel makes it the parent of every process whose own
parents are gone. So it need not look for what was left behind, nor guess when: nothing is, once it has no child.
"""

from __future__ import annotations

import faulthandler
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from typing import NamedTuple, NoReturn

from pyopenshell.kernel import process
from tests.confined.landlock import harness
from tests.confined.torture import household, scale

HANG = scale.many(60, 1200)
"""Seconds after which an owner hangs: it shows what its threads do, and ends."""

Owner = Callable[[Callable[[], None]], None]
"""What an owner does. It is given what it calls once it can be ended."""
End = Callable[[int], None]
"""What ends an owner, or lets it end: given its pid, as soon as the owner says that it can be ended."""


class Ended(NamedTuple):
    """How owners ended: what is left (processes, in words), the code of each, the most seconds until nothing was."""

    left: list[str]
    statuses: list[int]
    slowest: float


def under(owner: Owner, ends: Sequence[End]) -> Ended:
    """Let an owner be ended in each of these ways, one after the other; return what came of it."""

    def keep() -> tuple[list[str], list[int], float]:
        signal.alarm(2 * HANG)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        process.set_child_subreaper()
        statuses: list[int] = []
        left: list[str] = []
        slowest = 0.0
        for end in ends:
            pid, ready = _start(owner)
            select.select([ready], [], [], HANG)
            os.close(ready)
            end(pid)
            begin = time.monotonic()
            status, remaining = _outlive(pid)
            slowest = max(slowest, time.monotonic() - begin)
            statuses.append(os.waitstatus_to_exitcode(status))
            left += remaining
            if left:
                break
        return left, statuses, slowest

    return Ended(*harness.in_child(keep))


def leave(_pid: int) -> None:
    """Let an owner end by itself."""


def kill(number: int, after: float) -> End:
    """Return what sends an owner a signal some seconds later, unless it ends before."""

    def end(pid: int) -> None:
        fd = os.pidfd_open(pid)
        select.select([fd], [], [], after)
        os.close(fd)
        os.kill(pid, number)  # nobody has waited for it yet

    return end


def _start(owner: Owner) -> tuple[int, int]:
    """Fork an owner; return it, and what becomes readable when it can be ended or has ended."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        _own(owner, writer)
    os.close(writer)
    return pid, reader


def _own(owner: Owner, writer: int) -> NoReturn:
    signal.alarm(0)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
    sys.stderr = sys.__stderr__  # what threads die of is to be seen, and the test runner's own would keep it
    faulthandler.dump_traceback_later(HANG, exit=True, file=sys.__stderr__ or 2)

    def ready() -> None:
        os.write(writer, b"!")

    status = 1
    try:
        owner(ready)
        status = 0
    except SystemExit as error:
        status = int(error.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def _outlive(owner: int) -> tuple[int, list[str]]:
    """Wait until no process is left. Returns the owner's wait status and what is left at the end of patience."""
    until: float | None = None
    found = -1
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found, []
        if pid == owner:
            found, until = status, time.monotonic() + household.SECONDS
        if pid:
            continue
        patience = HANG if until is None else until - time.monotonic()
        if patience <= 0 or signal.sigtimedwait({signal.SIGCHLD}, patience) is None:
            return found, household.told(household.descendants(os.getpid()))
