"""What sandboxes cost that are alive: the memory of fifty with brokers, the processor time of two hundred idle ones."""

import contextlib
import os
import sys
import time
from collections.abc import Iterator

from bench import processes
from bench.measured import Row
from bench.warm import TRUE, environment, sandbox

from pyopenshell import Sandbox

FIFTY, MANY = 50, 200
SECONDS = 10
"""For how long the idle ones are watched."""
SETTLE = 5
"""Seconds until all is quiet after the last of them has run something: spare ones are gone, old records removed."""


def measure(folder: str, env: dict[str, str]) -> list[Row]:
    """Measure both. Memory takes root, who alone may look at it."""
    with environment(env):
        rows = [idle(folder)]
        if os.getuid() == 0:
            rows = [*memory(folder), *rows]
        else:
            print("the memory of sandboxes is not measured: only root may look at it", file=sys.stderr)
    return rows


@contextlib.contextmanager
def alive(folder: str, count: int, gpu: int | None) -> Iterator[list[Sandbox]]:
    """Have as many sandboxes alive, each of which has run something, and is idle."""
    with contextlib.ExitStack() as stack:
        boxes = [stack.enter_context(sandbox(folder, gpu)) for _ in range(count)]
        for box in boxes:
            box.run([TRUE]).check()
        time.sleep(SETTLE)
        yield boxes


def memory(folder: str) -> list[Row]:
    """Measure the PSS of all processes of a sandbox, and of their zygote, when many are alive."""
    with alive(folder, FIFTY, 0) as boxes:
        if not all((box.receipt["broker"] or {}).get("own") for box in boxes):
            print("the memory of sandboxes is not measured: they have no brokers here", file=sys.stderr)
            return []
        inside = processes.sandboxed()
        each = sum(processes.share(pid) for pid in inside) / FIFTY
        staying = sum(processes.share(pid) for pid in processes.machinery())
    sides = f"PSS of its {len(inside) / FIFTY:g} processes"
    return [
        Row(f"memory of a sandbox with broker at {FIFTY}, MiB", each, 4, sides),
        Row("  the same with its part of the zygote, MiB", each + staying / FIFTY, 4, f"which holds {staying:.1f} MiB"),
    ]


def idle(folder: str) -> Row:
    """Measure what processor time the zygote and all sandboxes take while nothing is asked of them."""
    with alive(folder, MANY, None):
        pids = [*processes.machinery(), *processes.sandboxed()]
        before, begin = processes.spent(pids), time.perf_counter()
        time.sleep(SECONDS)
        took = (processes.spent(pids) - before) / processes.NANO / (time.perf_counter() - begin)
    what = f"processor time of {MANY} idle sandboxes, %"
    return Row(what, took * 100, 1, f"of one, by {len(pids)} processes in {SECONDS} s")
