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

HOLD, HELD = 0.2, 20.0
"""Seconds after which everything is held while it is ended, and that this may take."""
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
    others = [other.pid for other in alive.values() if other is not session]
    began = time.monotonic()
    resting: list[int] | None = None
    killed: dict[int, Seen] = {}
    while True:
        until = began + (HELD if resting is not None else HOLD if can_hold else PATIENCE)
        table = _table(until)
        if time.monotonic() > until:
            if resting is not None or not can_hold:
                return False
            resting = [one.pid for one in table.values() if one.stopped]
            signal(-1, SIGSTOP)  # all at one stroke: what is just forking is stopped before it has
            began = time.monotonic()
            continue
        victims = _belonging(table, session, others)
        # What was killed may be on its way out still, and belong to nobody since its parent has gone.
        dying = [pid for pid, one in killed.items() if pid in table and table[pid].age == one.age]
        if not victims and all(table[pid].over for pid in dying):
            break
        for pid in victims:
            signal(pid, SIGKILL)
            killed[pid] = table[pid]
        collect()
        select.select([], [], [], 0.0005)  # the kernel takes a moment to end them
    if resting is not None:
        for pid in table:
            if pid != os.getpid() and pid not in resting:
                signal(pid, SIGCONT)
    collect()
    return True


def _belonging(table: Mapping[int, Seen], session: Session, others: Iterable[int]) -> list[int]:
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
    # The program itself first: it must not see the others killed, and end in its own way because of that.
    in_order = sorted(found, key=lambda pid: pid != session.pid)
    return [pid for pid in in_order if pid in table and not table[pid].over]


def _table(until: float) -> dict[int, Seen]:
    """Return the processes that there are, or as many as were looked at until then."""
    table = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (one := _look(int(name))):
            table[one.pid] = one
            if time.monotonic() > until:
                break
    return table


def _look(pid: int) -> Seen | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return Seen(pid, file.read().rpartition(b")")[2].split())
    except (OSError, IndexError):
        return None
