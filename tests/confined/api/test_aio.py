"""``AsyncSandbox``: the same for tasks, and that cancelling one at any point leaves nothing behind."""

import asyncio
import os
import random
import subprocess

import pytest

from pyopenshell import AsyncSandbox, Chunk, CommandError, CommandFailed, CommandTimeout, SandboxGone, UsageError
from pyopenshell.zygote import client
from tests.confined.api.conftest import descriptors
from tests.confined.api.test_run import LARGE, seen_from_here, sh

PIPE = subprocess.PIPE


@pytest.fixture
def inside(options):
    """Return a function that runs a coroutine function with an open sandbox, in an event loop that finds mistakes."""

    def run(use):
        async def main():
            async with AsyncSandbox(**options) as box:
                return await use(box)

        return asyncio.run(main(), debug=True)

    return run


async def is_alive(box, marker):
    """Whether a process with this word in its command line is left in the sandbox."""
    found = await box.run(sh("cat /proc/[0-9]*/cmdline | tr '\\0' '\\n'"))
    return marker in found.stdout.split("\n")


def test_many_tasks_use_it_at_once(inside):
    """Each gets its own command's output, and the loop turns meanwhile."""

    async def use(box):
        results = await asyncio.gather(*(box.run(["/bin/cat"], input=str(number)) for number in range(32)))
        return [result.stdout for result in results]

    assert [str(number) for number in range(32)] == inside(use)


def test_input_and_output_of_any_size(inside):
    """More than pipes hold, both ways at once."""

    async def use(box):
        return (await box.run(["/bin/cat"], input=LARGE)).stdout_bytes

    assert LARGE == inside(use)


def test_errors_are_those_of_the_other(inside):
    """Not found, too long, to be checked."""

    async def use(box):
        with pytest.raises(CommandError):
            await box.run(["no-such-program"])
        with pytest.raises(CommandTimeout) as late:
            await box.run(sh("echo begun; sleep 1000"), timeout=0.3)
        assert "begun\n" == late.value.result.stdout
        with pytest.raises(CommandFailed):
            await box.run(sh("exit 7"), check=True)

    inside(use)


def test_cancelling_kills_and_waits(inside, marker):
    """When the task is over, so is its command, with all that it started."""

    async def use(box):
        task = asyncio.create_task(box.run(sh(f"setsid sleep {marker} & sleep {marker}")))
        while not await is_alive(box, marker):
            pass
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not seen_from_here(marker)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await box.run(["sleep", marker])
        assert not seen_from_here(marker)

    inside(use)


def test_cancelling_at_any_instant_leaves_nothing(options):
    """Tasks that start a sandbox, run, stream and close it, cancelled wherever they are."""
    order = random.Random(6)

    async def one():
        async with AsyncSandbox(**options) as box:
            await box.run(sh("sleep 0.002"))
            async for _ in box.stream(sh("echo one; sleep 0.002; echo two")):
                pass
            async with await box.popen(["/bin/cat"], stdin=PIPE, stdout=PIPE) as process:
                await process.communicate(b"x")

    async def main():
        await one()
        before = descriptors()
        for _ in range(25):
            tasks = [asyncio.create_task(one()) for _ in range(2)]
            await asyncio.sleep(order.random() * 0.05)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # transports close their pipes in the next round
        await one()
        assert before == descriptors()

    asyncio.run(main(), debug=True)


def test_a_start_that_is_cancelled_is_closed(options):
    """Its connection is gone, and the object says so."""

    async def main():
        box = AsyncSandbox(**options)
        task = asyncio.create_task(box.start())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not box.is_open
        with pytest.raises(SandboxGone):
            await box.run(["/bin/true"])
        await box.close()

    asyncio.run(main(), debug=True)


def test_chunks_come_while_it_runs(inside, marker):
    """And a stream that is left kills its command."""

    async def use(box):
        async with box.stream(sh(f"echo ready; sleep {marker}")) as stream:
            assert Chunk("stdout", b"ready\n", "ready\n") == await anext(stream)
        assert not seen_from_here(marker)
        stream = box.stream(sh("echo out; echo err >&2; exit 4"))
        texts = {chunk.stream: chunk.text async for chunk in stream}
        assert ({"stdout": "out\n", "stderr": "err\n"}, 4) == (texts, stream.result.exit)
        unused = box.stream(["/bin/true"])
        await unused.close()
        assert [] == [chunk async for chunk in unused]

    inside(use)


def test_a_dialogue_through_asyncios_streams(inside):
    """Lines go in and come out while it runs."""

    async def use(box):
        async with await box.popen(["/bin/cat"], stdin=PIPE, stdout=PIPE) as process:
            process.stdin.write(b"one\n")
            assert b"one\n" == await process.stdout.readline()
            assert process.returncode is None
        assert 0 == process.returncode

    inside(use)


def test_communicate_ends_with_the_command(inside):
    """Not with the last process that has its output; nothing that was written is lost."""

    async def use(box):
        script = sh("setsid sleep 1000 & cat; echo err >&2")
        async with await box.popen(script, stdin=PIPE, stdout=PIPE, stderr=PIPE) as process:
            assert (LARGE, b"err\n") == await asyncio.wait_for(process.communicate(LARGE), 60)
        async with await box.popen(["tty"], terminal=True) as process:
            out, _ = await process.communicate()
            assert out.startswith(b"/dev/pts/")

    inside(use)


def test_several_tasks_wait_for_one_process(inside):
    """All are told; one that is cancelled disturbs nobody."""

    async def use(box):
        async with await box.popen(["/bin/cat"], stdin=PIPE) as process:
            waiting = [asyncio.create_task(process.wait()) for _ in range(3)]
            await asyncio.sleep(0.05)
            waiting[0].cancel()
            await asyncio.sleep(0)
            process.stdin.close()
            assert [0, 0] == await asyncio.gather(*waiting[1:])

    inside(use)


def test_one_that_is_ended_from_outside_says_so(inside):
    """Also to tasks that wait."""

    async def use(box):
        task = asyncio.create_task(box.run(["sleep", "1000"]))
        await box.run(["/bin/true"])
        os.kill(box.pid, 9)
        with pytest.raises(SandboxGone, match="killed"):
            await task
        assert "killed" in box.lost

    inside(use)


def test_a_process_whose_sandbox_ends_says_so(inside):
    """Whatever is awaited of it."""

    async def use(box):
        process = await box.popen(["sleep", "1000"], stdin=PIPE, stdout=PIPE)
        task = asyncio.create_task(process.communicate(LARGE))
        await box.run(["/bin/true"])
        os.kill(box.pid, 9)
        with pytest.raises(SandboxGone, match="killed"):
            await task
        with pytest.raises(SandboxGone, match="killed"):
            await process.wait()
        await process.close()

    inside(use)


def test_outside_of_asyncio_it_says_what_to_do(options):
    """Another library's loop, or none."""
    with pytest.raises(UsageError) as refused:
        AsyncSandbox(**options).start().send(None)
    assert "Sandbox" in str(refused.value.hint)


def test_several_tasks_close_it_at_once(options):
    """All return when it is gone."""

    async def main():
        box = await AsyncSandbox(**options).start()
        pid = box.pid
        await asyncio.gather(*(box.close() for _ in range(4)))
        assert not os.path.exists(f"/proc/{pid}")

    asyncio.run(main(), debug=True)


def test_the_other_one_works_in_a_loop(options):
    """``Sandbox`` blocks its thread, event loop or not."""
    from pyopenshell import Sandbox

    async def main():
        with Sandbox(**options) as box:
            return box.run(["/bin/echo", "hello"]).stdout

    assert "hello\n" == asyncio.run(main())


def test_two_tasks_start_it_at_once(options):
    """One sandbox is made, for both."""

    async def main():
        box, before = AsyncSandbox(**options), len(client.held)
        await asyncio.gather(box.start(), box.start())
        made = len(client.held) - before
        await box.close()
        return made, len(client.held) - before

    assert (1, 0) == asyncio.run(main())
