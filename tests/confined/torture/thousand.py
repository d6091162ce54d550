"""Launches from sixteen threads, beside a running event loop and a thread that keeps a processor busy.

    python -m tests.confined.torture.thousand WORKDIR LAUNCHES (pytorch|zlib)

Prints what it held before and after as JSON. Ends with its threads' tracebacks where it hangs.
"""

import asyncio
import faulthandler
import itertools
import json
import os
import sys
import threading
import time
import traceback
import zlib

from pyopenshell import AsyncSandbox
from tests.confined.torture import household

THREADS = 16
WARM_UP = 64
TICK = 0.01
"""Seconds between two timers of the event loop."""
HANG = 60
"""Seconds without a single launch after which this hangs."""


class Crowd:
    """What goes on at once, and what came of it."""

    def __init__(self, workdir: str, busy: str) -> None:
        """Start nothing yet."""
        self.workdir = workdir
        self.busy = busy
        self.stop = threading.Event()
        self.errors: list[str] = []
        self.tasks = 0
        self.ticks = 0
        self.latest = 0.0
        self.rounds = 0

    def launch(self, tickets: "itertools.count[int]", launches: int) -> None:
        """Launch until all numbers are drawn: each a sandbox of its own, every third with a broker."""
        try:
            while (number := next(tickets)) < launches:
                with household.sandbox(self.workdir, 0 if number % 3 == 0 else None) as box:
                    result = box.run(["cat"], input=f"{number}\n")
                    assert (0, f"{number}\n", "") == (result.exit, result.stdout, result.stderr)
                    if number % 5 == 0:
                        stream = box.stream(["sh", "-c", "echo a; sleep 0; echo b"])
                        assert "a\nb\n" == "".join(chunk.text for chunk in stream)
                faulthandler.dump_traceback_later(HANG, exit=True)
        except BaseException:
            self.errors.append(traceback.format_exc())

    async def loop(self) -> None:
        """Run sandboxes as tasks, one after the other, beside timers."""
        timers = asyncio.create_task(self.timers())
        while not self.stop.is_set():
            async with AsyncSandbox(household.POLICY, workdir=self.workdir) as box:
                results = await asyncio.gather(*(box.run(["echo", str(number)]) for number in range(3)))
                assert ["0\n", "1\n", "2\n"] == [result.stdout for result in results]
                self.tasks += 1
        timers.cancel()

    async def timers(self) -> None:
        """Wake up again and again; note the latest awakening."""
        while True:
            begin = time.monotonic()
            await asyncio.sleep(TICK)
            self.latest = max(self.latest, time.monotonic() - begin - TICK)
            self.ticks += 1

    def run_loop(self) -> None:
        """Run the event loop until it is stopped."""
        try:
            asyncio.run(self.loop())
        except BaseException:
            self.errors.append(traceback.format_exc())

    def compute(self) -> None:
        """Keep a processor busy, mostly without the interpreter's lock."""
        if self.busy == "pytorch":
            import torch  # type: ignore[import-not-found]

            torch.set_num_threads(1)
            square = torch.rand(256, 256)
            while not self.stop.is_set():
                square = torch.nn.functional.normalize(square @ square)
                self.rounds += 1
            return
        data = os.urandom(1 << 20)
        while not self.stop.is_set():
            zlib.compress(data)
            self.rounds += 1


def all_at_once(crowd: Crowd, launches: int) -> None:
    """Have a crowd launch so often, beside all else."""
    tickets = itertools.count()
    beside = [threading.Thread(target=one) for one in (crowd.run_loop, crowd.compute)]
    threads = [threading.Thread(target=crowd.launch, args=(tickets, launches)) for _ in range(THREADS)]
    for thread in (*beside, *threads):
        thread.start()
    for thread in threads:
        thread.join()
    crowd.stop.set()
    for thread in beside:
        thread.join()


def main(workdir: str, launches: int, busy: str) -> None:
    """Warm up, look, launch, look again."""
    faulthandler.dump_traceback_later(HANG, exit=True)
    found, before = [], None
    for count in (WARM_UP, launches):
        crowd = Crowd(workdir, busy)
        begin = time.monotonic()
        all_at_once(crowd, count)
        faulthandler.dump_traceback_later(HANG, exit=True)
        before = before or household.holdings()
        found.append(
            {
                "errors": crowd.errors,
                "leaks": household.leaks(before),
                "memory": [household.memory(pid) for pid in (os.getpid(), *household.machinery())],
                "zygote": household.zygote(),
                "beside": {"tasks": crowd.tasks, "ticks": crowd.ticks, "rounds": crowd.rounds, "latest": crowd.latest},
                "seconds": time.monotonic() - begin,
            }
        )
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
