"""What launches cost a program that embeds us, against bubblewrap with an equal policy.

Both sides are launched from this one process in turns, ten at a time or a hundred: the kernel takes apart namespaces in
the background, and the zygote may make a sandbox in advance. One that is ready shortens one launch of ten; for the
others it has to be made meanwhile. A pause ends each turn, so that nothing of this is paid by the other side.
"""

import contextlib
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from bench import bwrap, processes
from bench.measured import POLICY, Row

from pyopenshell import Policy, RunRequest, Sandbox, plan

LAUNCHES = 100
"""Launches of each kind, each side, of which medians are taken."""
TURN = 10
"""Launches of one side in a row."""
PAUSE = 0.05
"""Seconds for what a turn leaves to do. They are no part of its figures: on a busy host that would be others' work."""
THREADS = 16
PARALLEL_TURNS = 5
"""How often each side launches ``LAUNCHES`` from ``THREADS`` threads."""
WARM_UP = 120
"""Launches before any that count: more than the records that are kept, so that old ones have to be removed too."""
TRUE = "/bin/true"
LIVE, FRESH, BROKERED = "run in a live sandbox / bwrap", "new sandbox, warm zygote / bwrap", "  the same with broker"
TARGETS = {LIVE: 0.5, FRESH: 1.2, BROKERED: 1.8}

Launch = Callable[[], object]


class Cost(NamedTuple):
    """What a launch costs: milliseconds, and the milliseconds that processors worked meanwhile."""

    wall: float
    work: float

    def __str__(self) -> str:
        return f"{self.wall:.2f} ms ({self.work:.1f} of work)"


def measure(apart: str, folder: str, env: dict[str, str]) -> list[Row]:
    """Measure all kinds of launches, one after the other and many at once."""
    if not bwrap.program():
        print("no bubblewrap here: launches from a warm zygote are not measured", file=sys.stderr)
        return []
    with environment(env):
        return [row for one in (sequential, parallel) for row in _against(one, apart, folder)]


@contextlib.contextmanager
def environment(env: dict[str, str]) -> Iterator[None]:
    """Have this environment, and so the zygote's, for a while."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(env)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def sandbox(folder: str, gpu: int | None = None) -> Sandbox:
    """Return a sandbox that is measured, not started yet."""
    return Sandbox(Policy.load(POLICY), workdir=folder, gpu=gpu)


def bubble(apart: str, folder: str) -> Launch:
    """Return what runs a command under bubblewrap with an equal policy, with as little effort as Python allows."""
    planned = plan(RunRequest(command=(), policy=POLICY, workdir=folder, programs=("python3", "python")))
    planned.close()
    command, env = bwrap.command_line(planned, TRUE), planned.plan.workload.environment
    filter_file = f"{apart}/filter"
    with open(filter_file, "wb") as file:
        file.write(planned.plan.filter)
    actions = [(os.POSIX_SPAWN_OPEN, bwrap.FILTER, filter_file, os.O_RDONLY, 0)]

    def launch() -> None:
        _, status = os.waitpid(os.posix_spawn(command[0], command, env, file_actions=actions), 0)
        if status:
            sys.exit(f"{' '.join(command)} failed with status {os.waitstatus_to_exitcode(status)}")

    return launch


def fresh(folder: str, gpu: int | None = None) -> Launch:
    """Return what makes a sandbox, runs a command in it, and closes it."""

    def launch() -> None:
        with sandbox(folder, gpu) as box:
            box.run([TRUE]).check()

    return launch


def sequential(ours: Launch, theirs: Launch) -> tuple[Cost, Cost]:
    """Launch one at a time, both sides in turns; return the medians."""

    def one(launch: Launch) -> tuple[list[float], float]:
        before, times = processes.busy(), []
        for _ in range(TURN):
            begin = time.perf_counter()
            launch()
            times.append(time.perf_counter() - begin)
        worked = processes.busy() - before
        time.sleep(PAUSE)
        return times, worked

    return _in_turns(one, ours, theirs, LAUNCHES // TURN)


def parallel(ours: Launch, theirs: Launch) -> tuple[Cost, Cost]:
    """Launch from many threads, both sides in turns; return the medians of the time all took, for each one."""

    def one(launch: Launch) -> tuple[list[float], float]:
        tickets = iter(range(LAUNCHES))
        failed: list[BaseException] = []

        def work() -> None:
            try:
                for _ in tickets:  # each is drawn by one thread: the interpreter's lock sees to it
                    launch()
            except BaseException as error:
                failed.append(error)

        threads = [threading.Thread(target=work) for _ in range(THREADS)]
        before, begin = processes.busy(), time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        spent = time.perf_counter() - begin
        worked = processes.busy() - before
        if failed:
            raise failed[0]
        time.sleep(PAUSE)
        return [spent / LAUNCHES], worked * TURN / LAUNCHES

    return _in_turns(one, ours, theirs, PARALLEL_TURNS)


Turn = Callable[[Launch], tuple[list[float], float]]


def _in_turns(turn: Turn, ours: Launch, theirs: Launch, times: int) -> tuple[Cost, Cost]:
    pairs = [(turn(ours), turn(theirs)) for _ in range(times)]
    mine, other = ([pair[side] for pair in pairs] for side in (0, 1))
    return _cost(mine), _cost(other)


def _cost(turns: list[tuple[list[float], float]]) -> Cost:
    wall = statistics.median(spent for times, _work in turns for spent in times)
    return Cost(wall * 1e3, sum(work for _times, work in turns) / len(turns) / TURN * 1e3)


def _against(how: Callable[[Launch, Launch], tuple[Cost, Cost]], apart: str, folder: str) -> Iterator[Row]:
    theirs = bubble(apart, folder)
    kinds = {FRESH: fresh(folder), BROKERED: fresh(folder, 0)}
    for _ in range(WARM_UP // len(kinds)):
        for launch in (*kinds.values(), theirs):
            launch()
    with sandbox(folder) as box:
        yield _row(how, LIVE, lambda: box.run([TRUE]).check(), theirs)
    for what, launch in kinds.items():
        yield _row(how, what, launch, theirs)


def _row(how: Callable[[Launch, Launch], tuple[Cost, Cost]], what: str, ours: Launch, theirs: Launch) -> Row:
    cost, base = how(ours, theirs)
    at_once = f", {THREADS} at once" if how is parallel else ""
    theirs_is = ", as root" if os.getuid() == 0 else ""
    return Row(what + at_once, cost.wall / base.wall, TARGETS[what], f"{cost} / {base}{theirs_is}")
