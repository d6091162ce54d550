"""Ending one program of a sandbox with all that it started, while others go on. Only init sees who belongs to whom."""

from __future__ import annotations

import os
import select
import time

from pyopenshell.kernel.signals import SIGCONT, SIGKILL, SIGSTOP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

PATIENCE = 5.0
"""Seconds in which a program that makes new processes all the time has to be ended; then its sandbox is."""

HOLD = 0.2
"""Seconds after which everything is held while it is ended."""
OUTRUN = 123
"""Init's exit code where that did not succeed."""


class Outrun(Exception):
    """A program makes processes faster than they can be ended one by one: the sandbox has to be, as a whole."""


class Session:
    """A program that runs. ``alone``: no other did while it did, so whatever is new since then is its own.

    ``age`` orders it among the others by when they started.
    """

    def __init__(self, number: int, pid: int, *, alone: bool) -> None:
        """Look when it started."""
        self.number = number
        self.pid = pid
        self.alone = alone
        found = _look(pid)
        self.age = found.age if found else (0, 0)


class Seen:
    """A process as its ``stat`` tells it."""

    __slots__ = ("age", "group", "over", "parent", "pid", "session", "stopped")

    def __init__(self, pid: int, fields: list[bytes]) -> None:
        """Read the fields behind the command's name."""
        self.pid = pid
        # With threads left it runs, whatever the state of the first one.
        self.over = fields[0] in (b"Z", b"X") and int(fields[17]) <= 1
        self.stopped = fields[0] in (b"T", b"t")
        self.parent, self.group, self.session = int(fields[1]), int(fields[2]), int(fields[3])
        # Clock ticks since boot, a hundredth of a second each; numbers are given in order too.
        self.age = int(fields[19]), pid


def signal_group(pid: int, number: int) -> None:
    """Send a signal to a program's process group; it may have ended."""
    signal(-pid, number)


def signal(pid: int, number: int) -> None:
    """Send a signal as kill(2) does; who is meant may have just gone."""
    try:
        os.kill(pid, number)
    except OSError:
        pass


def everything(session: Session, alive: Mapping[int, Session], collect: Callable[[], None], *, can_hold: bool) -> bool:
    """Kill a program and all that it started. Returns whether that succeeded; ``collect`` reaps.

    ``can_hold``: a signal to all processes (kill(2), pid -1) reaches those of this sandbox and no other. What makes
    processes faster than they can be looked for is then held, with all others, while it is killed.

    What it started is what descends from it, or shares its session or process group. What left all of these (a daemon)
    is told by its age, where no other program ran beside it; else it stays until the sandbox ends.
    """
    began = time.monotonic()
    others = [other.pid for other in alive.values() if other is not session]
    held: list[int] | None = None
    while victims := _belonging(session, others):
        if can_hold and held is None and time.monotonic() > began + HOLD:
            held = _hold()
            continue
        for pid in victims:
            signal(pid, SIGKILL)
        collect()
        if time.monotonic() > began + PATIENCE:
            return False
        select.select([], [], [], 0.0005)  # the kernel takes a moment to end them
    for pid in held or ():
        signal(pid, SIGCONT)
    collect()
    return True


def _hold() -> list[int]:
    """Stop all processes at one stroke: what is just forking is stopped before it has. Returns those that ran."""
    running = [one.pid for one in _table().values() if not one.stopped and one.pid != os.getpid()]
    signal(-1, SIGSTOP)
    return running


def _belonging(session: Session, others: Iterable[int]) -> list[int]:
    table = _table()
    found = {session.pid}
    found |= {one.pid for one in table.values() if session.pid in (one.group, one.session)}
    if session.alone:
        own = os.getpid()
        spared = {own, *others}
        found |= {
            one.pid for one in table.values() if one.parent == own and one.age >= session.age and one.pid not in spared
        }
    grown = True
    while grown:
        more = {one.pid for one in table.values() if one.parent in found} - found
        found |= more
        grown = bool(more)
    return [pid for pid in found if pid in table and not table[pid].over]


def _table() -> dict[int, Seen]:
    return {one.pid: one for name in os.listdir("/proc") if name.isdigit() and (one := _look(int(name)))}


def _look(pid: int) -> Seen | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return Seen(pid, file.read().rpartition(b")")[2].split())
    except (OSError, IndexError):
        return None
