"""Timeouts, cancellation and closing at random instants, from before a sandbox's start to after its end."""

import asyncio
import statistics
import threading
import time

from pyopenshell import AsyncSandbox
from pyopenshell.errors import CommandTimeout, OpenShellError, SandboxGone
from tests.confined.torture import household, keeper, scale

BACKGROUND = "sleep 1000.{:05} >/dev/null 2>&1 & sleep 1000.{:05} >/dev/null 2>&1 & {}"
"""A command that leaves two more behind; its marker, twice, and what it does itself."""


def marked(marker):
    """The processes beneath this one that have a marker in their arguments, in words."""
    return [line for line in household.told(household.sandboxed()) if marker in line]


def nothing_lives():
    """Assert that every sandbox has ended, with all its processes."""
    left = household.nothing_lives(household.SPARES)
    assert [] == left, left


def nothing_leaks(before):
    """Assert that no more is held than before."""
    leaks = household.leaks(before)
    assert not leaks, leaks


def a_life(workdir, gpu=None):
    """Start, use and close a sandbox, in the ordinary way; return the seconds that it took."""
    begin = time.monotonic()
    with household.sandbox(workdir, gpu) as box:
        box.run(["true"])
    return time.monotonic() - begin


def typical(workdir):
    """The seconds that a whole life takes here, now."""
    return statistics.median(a_life(workdir) for _ in range(9))


def timed(box, number, timeout):
    """Run a command with a timeout; return what came of it, and what it printed."""
    try:
        result = box.run(["sh", "-c", BACKGROUND.format(number, number, "echo begun; sleep 0.01")], timeout=timeout)
    except CommandTimeout as error:
        return "timeout", error.result.stdout
    return "ended", result.stdout


def run_owner(action):
    """Run an owner to its end; assert that all went well and nothing was left."""
    ended = keeper.under(lambda _ready: action(), [keeper.leave])
    assert ([], [0]) == ended[:2]


def test_timeouts(workdir):
    """``run`` with a timeout that falls anywhere: before the command is there, in it, as it ends, and after."""

    def owner():
        typical(workdir)
        before = household.holdings()
        with household.sandbox(workdir) as box:
            outcomes = set()
            for number, timeout in enumerate(scale.instants(scale.many(60, 2000), 0.03, "timeouts")):
                begin = time.monotonic()
                outcome, printed = timed(box, number, timeout)
                assert time.monotonic() - begin < timeout + household.SECONDS
                assert printed in ("", "begun\n")
                if outcome == "timeout":
                    left = marked(f"1000.{number:05}")
                    assert [] == left, (number, timeout, left)
                outcomes.add(outcome)
            assert {"ended", "timeout"} == outcomes
        nothing_lives()
        nothing_leaks(before)

    run_owner(owner)


def test_cancelled_tasks(workdir):
    """A task is cancelled at any instant of a sandbox's life: when it has ended, nothing of the sandbox is there."""

    async def life(number, gpu):
        async with AsyncSandbox(household.POLICY, workdir=workdir, gpu=gpu) as box:
            await box.run(["true"])
            process = await box.popen(["sh", "-c", f"exec sleep 1000.{number}"])
            async for chunk in box.stream(["sh", "-c", f"echo line; exec sleep 0.01{number}"]):
                assert b"line\n" == chunk.data
            process.kill()
            await process.wait()

    async def cancel(number, after, gpu):
        task = asyncio.create_task(life(number, gpu))
        await asyncio.sleep(after)
        task.cancel()
        await asyncio.wait([task])
        return "cancelled" if task.cancelled() else task.exception() or "ended"

    async def all_lives(longest):
        outcomes = []
        for number, after in enumerate(scale.instants(scale.many(60, 2000), longest, "tasks")):
            outcomes.append(await cancel(number, after, None if number % 2 else 0))
            nothing_lives()
        for number, after in enumerate(scale.instants(scale.many(32, 1000), longest * 4, "many tasks")):
            if number % 8 == 0:
                several = []
            several.append(cancel(number, after, None))
            if number % 8 == 7:
                outcomes += await asyncio.gather(*several)
                nothing_lives()
        return outcomes

    def owner():
        asyncio.run(all_lives(0.001))
        longest = 3 * typical(workdir)
        before = household.holdings()
        outcomes = asyncio.run(all_lives(longest))
        assert {"cancelled", "ended"} >= set(outcomes)
        assert "cancelled" in outcomes
        nothing_leaks(before)

    run_owner(owner)


def test_cancelled_run(workdir):
    """Only the command's task is cancelled: that command is gone when the task has ended; the sandbox goes on."""

    async def all_runs():
        async with AsyncSandbox(household.POLICY, workdir=workdir, gpu=0) as box:
            for number, after in enumerate(scale.instants(scale.many(60, 2000), 0.02, "runs")):
                script = BACKGROUND.format(number, number, "wait")
                task = asyncio.create_task(box.run(["sh", "-c", script]))
                await asyncio.sleep(after)
                task.cancel()
                await asyncio.wait([task])
                assert task.cancelled()
                left = marked(f"1000.{number:05}")
                assert [] == left, (number, after, left)
            assert "goes on\n" == (await box.run(["echo", "goes on"])).stdout

    def owner():
        typical(workdir)
        before = household.holdings()
        asyncio.run(all_runs())
        nothing_leaks(before)

    run_owner(owner)


def test_wait_for(workdir):
    """A timeout of asyncio's around everything, at any instant."""

    async def life():
        async with AsyncSandbox(household.POLICY, workdir=workdir) as box:
            await box.run(["sleep", "0.005"])

    async def all_lives(longest):
        for after in scale.instants(scale.many(40, 1000), longest, "wait_for"):
            try:
                await asyncio.wait_for(life(), after)
            except TimeoutError:
                pass
            nothing_lives()

    def owner():
        longest = 2 * typical(workdir)
        before = household.holdings()
        asyncio.run(all_lives(longest))
        nothing_leaks(before)

    run_owner(owner)


def test_closed_by_another_thread(workdir):
    """``close`` from another thread while a command runs: its caller is told at once, and both go on."""

    def owner():
        longest = 2 * typical(workdir)
        before = household.holdings()
        for after in scale.instants(scale.many(40, 1000), longest, "close"):
            box = household.sandbox(workdir, gpu=0).start()
            outcomes: list[type[BaseException]] = []

            def use(box=box, outcomes=outcomes):
                try:
                    while True:
                        box.run(["sleep", "0.002"])
                        box.run(["sh", "-c", "sleep 1000 & exec sleep 1000"])
                except OpenShellError as error:
                    outcomes.append(type(error))

            thread = threading.Thread(target=use)
            thread.start()
            thread.join(after)
            box.close()
            thread.join(household.SECONDS)
            assert not thread.is_alive()
            assert [SandboxGone] == outcomes
            nothing_lives()
        nothing_leaks(before)

    run_owner(owner)
