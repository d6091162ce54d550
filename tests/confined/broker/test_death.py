"""The broker's end is the sandbox's: whoever dies, however busy, nothing hangs and nobody is left."""

import os
import shutil
import signal

import pytest

from tests.confined.broker import harness
from tests.confined.launch import world

pytestmark = harness.needs_landlock
WORLDS = {"namespaces": world.NAMESPACES, "no namespaces": world.NO_NAMESPACES}
everywhere = pytest.mark.parametrize("kind", WORLDS)
POLICY = world.policy(runtime={"cuda_thread_names": "broker"})
WAYS = {"the broker": "stem", "the supervisor": "supervisor", "init": "init"}


class Running:
    """A sandbox under way, and the processes that keep it."""

    def __init__(self, sandbox, process):
        self.stem = sandbox.record("dying").receipt["broker"]["pid"]
        self.supervisor = process.pid
        with open(f"/proc/{self.stem}/task/{self.stem}/children") as file:
            (init,) = map(int, file.read().split())
        self.init = init


@pytest.fixture
def running(anyone, kind, compiled):
    """Start the program with so many threads, in a world; return what runs."""
    if kind == "namespaces":
        world.needs_namespaces()
    anyone.world = WORLDS[kind]
    program = shutil.copy(compiled("openers"), anyone.workdir)

    def start(threads):
        return anyone.start("-q", "-n", "dying", "--gpu", 0, "--", program, threads, policy=POLICY)

    return anyone, start


@everywhere
@pytest.mark.parametrize("victim", WAYS)
def test_sigkill(running, kind, victim):
    """Killed while eight threads open: the command ends with a message, and all of the sandbox with it."""
    sandbox, start = running
    with start(8) as process:
        assert "ready" == world.read_line(process)
        found = Running(sandbox, process)
        ends = [os.pidfd_open(pid) for pid in {found.stem, found.init, *_program(found)}]
        assert len(ends) > 2
        os.kill(getattr(found, WAYS[victim]), signal.SIGKILL)
        _, stderr = process.communicate(timeout=world.SECONDS)
        for end in ends:
            assert world.readable(end), "it did not end"
            os.close(end)
    if victim == "the supervisor":
        assert -signal.SIGKILL == process.returncode
        return
    expected = {
        "the broker": f"the sandbox was ended because the broker of its CUDA thread names (pid {found.stem}) was "
        "killed by SIGKILL",
        "init": "the sandbox's first process was killed by SIGKILL",
    }
    assert 128 + signal.SIGKILL == process.returncode
    assert expected[victim] in stderr
    assert "Traceback" not in stderr
    assert expected[victim] in sandbox.record("dying").exit["lost"]


def _program(found):
    """Return the processes of the program: init's descendants."""
    with open(f"/proc/{found.init}/task/{found.init}/children") as file:
        return list(map(int, file.read().split()))


@everywhere
def test_stopped_and_resumed(running, kind):
    """Opens wait while the broker is stopped, and go on with it; nothing is lost."""
    sandbox, start = running
    with start(0) as process:
        assert "ready" == world.read_line(process)
        found = Running(sandbox, process)
        os.kill(found.stem, signal.SIGSTOP)
        process.stdin.write("open\n")
        process.stdin.flush()
        assert "opening" == world.read_line(process)
        assert not world.readable(process.stdout, 0.2)
        os.kill(found.stem, signal.SIGCONT)
        assert "ok" == world.read_line(process)
        process.stdin.close()
        assert 0 == process.wait(world.SECONDS)
    assert {"granted": 1} == {k: n for k, n in sandbox.record("dying").exit["broker"]["by_kind"].items() if n}


@everywhere
def test_killed_while_stopped(running, kind):
    """A broker that was stopped and then killed: the open that waited for it ends with the sandbox."""
    sandbox, start = running
    with start(0) as process:
        assert "ready" == world.read_line(process)
        found = Running(sandbox, process)
        (program,) = _program(found)
        end = os.pidfd_open(program)
        os.kill(found.stem, signal.SIGSTOP)
        process.stdin.write("open\n")
        process.stdin.flush()
        assert "opening" == world.read_line(process)
        os.kill(found.stem, signal.SIGKILL)
        assert 128 + signal.SIGKILL == process.wait(world.SECONDS)  # its input stays open: it has no reason to end
        stdout, stderr = process.stdout.read(), process.stderr.read()
        assert world.readable(end)
        os.close(end)
    assert "the broker of its CUDA thread names" in stderr
    assert stdout in ("", "ENOSYS\n")
