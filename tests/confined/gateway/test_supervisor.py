"""Programs under a supervisor: what they write and read, how they end, and what they cannot make it do."""

import asyncio
import os
import signal
import socket
from types import SimpleNamespace
from typing import Any

import pytest

from pyopenshell.errors import CommandError, UsageError
from pyopenshell.planning import RunRequest
from pyopenshell.policy import load
from pyopenshell.runs import RunView
from pyopenshell.supervisor import protocol, visitor
from pyopenshell.supervisor.client import Supervisors, Wanted
from pyopenshell.supervisor.session import Ended, Output, Program, Skipped
from pyopenshell.testing import require
from pyopenshell.zygote.loop import Loop
from tests.confined.torture import household

MIB = 1 << 20
SECONDS = 30
READ_ALL = "import sys; sys.stdout.write(str(len(sys.stdin.buffer.read())))"


class Boxes:
    """Supervisors with an event loop of their own."""

    def __init__(self, runner, folder):
        """Start no sandbox yet."""
        self.runner, self.folder = runner, folder
        self.supervisors = runner.run(self._supervisors())
        self.made = []

    async def _supervisors(self):
        return Supervisors()

    def run(self, work):
        """Run a coroutine."""
        return self.runner.run(asyncio.wait_for(work, SECONDS))

    async def launch(self, name, *command, **wanted):
        """Launch a sandbox, with this main process."""
        main = Program(command) if command else None
        request = RunRequest(command=(), programs=("sh", "python3"), name=name, workdir=self.folder)
        told = {
            "request": request,
            "policy": load.default(),
            "environ": dict(os.environ),
            "meta": {"command": list(command)},
        }
        box = await self.supervisors.launch(Wanted(main=main, **{**told, **wanted}))
        self.made.append(box)
        return box

    def end(self):
        """Stop all sandboxes, and what has made them."""

        async def stop():
            await asyncio.gather(*(box.stop() for box in self.made))
            self.supervisors.close()

        self.run(stop())


@pytest.fixture(scope="module")
def boxes(tmp_path_factory):
    """What launches sandboxes in this module."""
    require(namespaces=True)
    folder = tmp_path_factory.mktemp("supervisor")
    folder.chmod(0o777)
    with pytest.MonkeyPatch.context() as patch, asyncio.Runner() as runner:
        patch.setenv("XDG_STATE_HOME", str(folder / "state"))
        work = folder / "work"
        work.mkdir()
        work.chmod(0o777)
        made = Boxes(runner, str(work))
        yield made
        made.end()


@pytest.fixture(scope="module")
def box(boxes):
    """A sandbox without a main process."""
    return boxes.run(boxes.launch("plain"))


async def whole(session):
    """Return what a program wrote, what was left out of that, and how it ended."""
    output, skipped, end = bytearray(), 0, None
    async for told in session:
        if isinstance(told, Output):
            output += told.data
        elif isinstance(told, Skipped):
            skipped += told.count
        else:
            end = told
    return bytes(output), skipped, end


async def ran(box, *argv, **program):
    """Run a program to its end."""
    return await whole(await box.start(Program(argv, **({"stdin": False} | program))))


def memory(box):
    """The memory of a supervisor that no file backs, in KiB."""
    return household.memory(box.pid)


def sandboxed(box):
    """The processes in a sandbox, in words."""
    return household.told(pid for child in household.children(box.pid) for pid in household.descendants(child))


@pytest.mark.parametrize(
    ("script", "code", "number"),
    [
        ("exit 0", 0, None),
        ("exit 7", 7, None),
        ("kill -9 $$", 137, 9),
        ("kill -15 $$", 143, 15),
        ("exit 137", 137, None),
    ],
)
def test_exit_codes_and_signals(boxes, box, script, code, number):
    """An exit code is told apart from a signal's."""
    assert (b"", 0, Ended(code, number, timed_out=False)) == boxes.run(ran(box, "sh", "-c", script))


def test_what_cannot_be_started(boxes, box):
    """As in a shell: 127 for what is not there, 126 for what cannot be executed; and a folder that is not there."""
    for program, code in (("nonesuch", 127), ("/etc/passwd", 126)):
        with pytest.raises(CommandError) as error:
            boxes.run(ran(box, program))
        assert code == error.value.exit_code
    with pytest.raises(CommandError, match="nowhere"):
        boxes.run(ran(box, "true", cwd="/nowhere"))


def test_input_and_its_end(boxes, box):
    """All input arrives, however much; its end is seen; what a program does not read is not waited for for ever."""

    async def feed(count, *argv):
        session = await box.start(Program(argv))
        await session.write(b"x" * count)
        await session.eof()
        return await whole(session)

    assert (str(3 * MIB).encode(), 0, Ended(0, None, timed_out=False)) == boxes.run(
        feed(3 * MIB, "python3", "-c", READ_ALL)
    )
    assert Ended(0, None, timed_out=False) == boxes.run(feed(3 * MIB, "true"))[2]
    assert b"0" == boxes.run(ran(box, "python3", "-c", READ_ALL))[0]


def test_terminal(boxes, box):
    """A program has a terminal of the size that was asked for; it follows; Ctrl-C and Ctrl-D mean what they do."""

    async def talk():
        session = await box.start(Program(("sh", "-c", "stty size; cat; stty size; exec cat"), terminal=(30, 100)))
        answers, text = aiter(session), b""
        while b"30 100" not in text:
            text += (await anext(answers)).data
        await session.resize(41, 142)
        await session.write(b"word\n\4")
        while b"41 142" not in text:
            text += (await anext(answers)).data
        await session.write(b"\3")
        return text, [told async for told in answers][-1]

    text, end = boxes.run(talk())
    assert b"word\r\nword\r\n" in text
    assert Ended(130, 2, timed_out=False) == end


def test_time_that_is_over(boxes, box):
    """A program that takes too long is killed with all that it started: 124, and told."""
    output, _, end = boxes.run(ran(box, "sh", "-c", "sleep 1001 & echo begun; exec sleep 1001", timeout=0.2))
    assert (b"begun\n", Ended(124, None, timed_out=True)) == (output, end)
    assert [] == [line for line in sandboxed(box) if "sleep 1001" in line]


def test_cancelling_kills_all_of_it(boxes, box):
    """A program that is cancelled is gone with its children, also with those that left its session; others go on."""

    async def cancel():
        other = await box.start(Program(("sleep", "1002")))
        session = await box.start(Program(("sh", "-c", "setsid sleep 1003 & echo $!; exec sleep 1003")))
        await anext(aiter(session))
        await session.cancel()
        assert Ended(137, 9, timed_out=False) == (await whole(session))[2]
        left = sandboxed(box)
        await other.cancel()
        await whole(other)
        return left

    left = boxes.run(cancel())
    assert ([], 1) == ([line for line in left if "1003" in line], len([line for line in left if "1002" in line]))


def test_start_that_is_given_up(boxes, box):
    """Of a program whose start is given up, at whatever instant, nothing is left."""

    async def give_up(after):
        task = asyncio.ensure_future(box.start(Program(("sleep", "1004"))))
        await asyncio.wait([task], timeout=after)
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            await task.result().cancel()
            await whole(task.result())

    async def many():
        for number in range(40):
            await give_up(number * 0.00025)
        while any(one.state != "ended" for one in await box.sessions()):
            await asyncio.sleep(0.005)

    boxes.run(many())
    assert [] == [line for line in sandboxed(box) if "sleep 1004" in line]


def test_detached_programs(boxes, box):
    """A program goes on without a client; another one gets what it wrote last, at most 1 MiB, and how it ended."""

    async def detach():
        session = await box.start(Program(("sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x; echo end; exit 5")))
        session.detach()
        while "ended" not in (states := {one.number: one for one in await box.sessions()})[session.number].state:
            await asyncio.sleep(0.005)
        return states[session.number], await whole(await box.attach(session.number))

    told, (output, skipped, end) = boxes.run(detach())
    assert ("ended", 5, 0) == (told.state, told.code, told.attached)
    assert (3000004 - MIB, MIB) == (skipped, len(output))
    assert output.endswith(b"xend\n")
    assert Ended(5, None, timed_out=False) == end
    with pytest.raises(UsageError, match="no session 99999"):
        boxes.run(box.attach(99999))


def test_flood_that_nobody_reads(boxes, box):
    """A program that writes without end, with nobody there: it runs on, and the supervisor stays small."""

    async def flood():
        session = await box.start(Program(("sh", "-c", "head -c 100000000 /dev/zero; echo end")))
        session.detach()
        before = memory(box)
        output, skipped, end = await whole(await box.attach(session.number))
        return before, memory(box), len(output) + skipped, end

    before, after, count, end = boxes.run(flood())
    assert (100000004, Ended(0, None, timed_out=False)) == (count, end)
    assert after - before < 8 * 1024


def test_slow_reader_slows_the_program_down(boxes, box):
    """A client that takes nothing holds the program up: nothing is lost, and neither side keeps more than a little."""

    async def slow():
        count = "/work/../tmp/count"
        session = await box.start(Program(("sh", "-c", f"head -c 64000000 /dev/zero; echo -n end >&2; rm -f {count}")))
        before, own = memory(box), household.memory(os.getpid())
        await asyncio.sleep(0.3)
        states = [one.state for one in await box.sessions() if one.number == session.number]
        grown = memory(box) - before, household.memory(os.getpid()) - own
        output, skipped, end = await whole(session)
        return states, grown, len(output), skipped, end

    states, grown, count, skipped, end = boxes.run(slow())
    assert (["running"], 64000003, 0, 0) == (states, count, skipped, end.code)
    assert max(grown) < 4 * 1024


def test_onlooker_that_stalls(monkeypatch):
    """Somebody who only looks on and takes nothing is waited for for a while only; what is left out then is counted."""
    monkeypatch.setattr(visitor, "PATIENCE", -0.99)  # a hundredth of a second in all
    loop, told = Loop(), []
    program: Any = SimpleNamespace(settle=lambda: told.append(one.holds_up), visitors=[], is_stuffed=False)
    keeper: Any = SimpleNamespace(loop=loop, attended=lambda _program: None, visitors=set())
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    one: visitor.Visitor = visitor.Visitor(keeper, theirs)
    one._follow(program, onlooker=True)
    monkeypatch.setattr(visitor, "PATIENCE", 60.0)
    while not one.is_full:
        one.output(protocol.OUTPUT, b"x" * 65536)
    assert one.holds_up
    monkeypatch.setattr(visitor, "PATIENCE", -0.99)
    one._is_timed = False
    one.settle()
    loop.later(0.05, lambda: setattr(loop, "stopped", True))
    loop.run()
    assert [False] == told
    one.output(protocol.OUTPUT, b"left out")
    assert 8 == one._skipped
    one.leave()
    ours.close()


def test_sixty_four_at_once(boxes, box):
    """Many programs at once: each gets its own input, output and exit code."""

    async def one(number):
        session = await box.start(Program(("sh", "-c", "read word; echo $word; exit $word")))
        await session.write(b"%d\n" % number)
        return await whole(session)

    async def all_of_them():
        return await asyncio.gather(*map(one, range(64)))

    found = boxes.run(all_of_them())
    assert [(b"%d\n" % number, 0, Ended(number, None, timed_out=False)) for number in range(64)] == found


def test_held_main_process(boxes):
    """A main process that waits for somebody to attach starts then: nothing of what it writes is missed."""

    async def held():
        one = await boxes.launch("held", "echo", "first", held=True)
        before = one.main.state
        output, _, end = await whole(await one.attach(replay=False))
        await one.stop()
        return before, output, end

    assert ("held", b"first\n", Ended(0, None, timed_out=False)) == boxes.run(held())


@pytest.mark.parametrize(("restart", "script"), [("always", "exit 0"), ("on_failure", "exit 3")])
def test_restarts(boxes, restart, script):
    """A main process that is to be started again is, with the output of all its lives; the next wait is longer."""

    async def again():
        one = await boxes.launch(
            f"again-{restart.replace('_', '-')}", "sh", "-c", f"echo life; {script}", restart=restart
        )
        seen = asyncio.Event()
        one.on_change.append(seen.set)
        while one.main.restarts < 1 or one.main.state != "ended":
            await seen.wait()
            seen.clear()
        main = one.main
        output = b""
        async for told in await one.attach():
            output += told.data if isinstance(told, Output) else b""
        await one.stop()
        return output, main

    output, main = boxes.run(again())
    assert b"life\nlife\n" == output
    assert main.next - main.started > 1000


def test_no_restart_of_what_succeeded(boxes):
    """``on_failure`` leaves a main process alone that ended well."""

    async def once():
        one = await boxes.launch("once", "true", restart="on_failure")
        while one.main.state != "ended":
            await asyncio.sleep(0.001)
        return one.main.next

    assert boxes.run(once()) is None


def test_stop_leaves_nothing(boxes):
    """Nothing of a sandbox is there when ``stop`` returns: processes, socket, key; its record says how it ended."""

    async def stop():
        one = await boxes.launch("stopped", "sh", "-c", "trap '' TERM INT HUP; sleep 1005 & sleep 1005")
        session = await one.start(Program(("sh", "-c", "setsid sleep 1005 & exec sleep 1005")))
        assert sandboxed(one)
        supervisor = os.pidfd_open(one.pid)
        inside = household.watch(household.descendants(one.pid))
        assert await one.stop() is None
        session.detach()
        return one, [supervisor, *inside]

    one, watched = boxes.run(stop())
    assert household.all_end(watched)
    assert {"supervisor.sock", "supervisor.key"}.isdisjoint(os.listdir(one.record))
    assert "exit.json" in os.listdir(one.record)


@pytest.mark.parametrize("victim", ["supervisor", "init"])
def test_end_that_nobody_asked_for(boxes, victim):
    """A supervisor that is killed takes its sandbox along, and one whose sandbox is killed goes: each says why."""

    async def kill():
        one = await boxes.launch(f"killed-{victim}", "sleep", "1006")
        watched = household.watch(household.descendants(one.pid))
        os.kill(one.pid if victim == "supervisor" else household.children(one.pid)[0], signal.SIGKILL)
        return await one.gone, watched

    why, watched = boxes.run(kill())
    assert "killed" in why
    assert household.all_end(watched)


def test_fork_bomb(boxes):
    """What forks without end, as far as its sandbox may, holds up nobody else, and ends with its session."""

    async def bomb():
        limited = RunRequest(command=(), programs=("sh",), name="bomb", workdir=boxes.folder, pids=64)
        one, other = await boxes.launch("bomb", request=limited), await boxes.launch("beside-bomb")
        effective = RunView(one.record).effective() or {}
        limits = {limit["name"]: limit["status"] for limit in effective["limits"]}
        if limits["pids"] != "enforced":
            return limits, None, []
        session = await one.start(Program(("sh", "-c", "b() { b | b & }; b; sleep 1007")))
        answers = aiter(session)
        text = b""
        while b"ork" not in text:  # it says that it cannot fork
            text += (await anext(answers)).data
        beside = await ran(other, "echo", "on")
        watched = household.watch(household.descendants(one.pid))
        await one.stop()
        session.detach()
        return limits, beside, watched

    limits, beside, watched = boxes.run(bomb())
    if beside is None:
        pytest.skip(f"needs: a pids cgroup ({limits})")
    assert (b"on\n", 0, Ended(0, None, timed_out=False)) == beside
    assert household.all_end(watched)
