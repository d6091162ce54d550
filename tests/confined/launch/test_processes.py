"""What lives in a sandbox, and that nothing of it lives on: with pid 1 of a namespace of its own, and without one."""

import os
import signal
import time
import uuid
from pathlib import Path

import pytest

from pyopenshell import runs
from tests.confined.launch import world
from tests.confined.launch.world import SECONDS

INTERPRETER = (world.PYTHON, "-I", "-S", "-c")
DAEMON = """
import os, signal, sys
reader, writer = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        os.write(writer, b"1")
        while True:
            signal.pause()
    os._exit(0)
os.read(reader, 1)
"""
"""Starts a daemon: forked twice, in a session of its own, deaf to polite signals; it runs when this goes on."""


@pytest.fixture
def marker():
    """A word that is in the arguments of every process of the test's sandbox; none of them may outlive the test."""
    word = uuid.uuid4().hex
    yield word
    for pid in world.with_marker(word):
        os.kill(pid, signal.SIGKILL)


def until_gone(marker):
    """Wait until no process has the marker. The kernel ends them one by one, and may be at it still."""
    deadline = time.monotonic() + SECONDS
    while pids := world.with_marker(marker):
        assert time.monotonic() < deadline, f"these live on: {pids}"
        for pid in pids:
            try:
                descriptor = os.pidfd_open(pid)
            except ProcessLookupError:
                continue
            world.readable(descriptor, deadline - time.monotonic())
            os.close(descriptor)


def test_orphans_are_reaped(everywhere):
    """A process whose parent ended is reaped by init when it ends: no zombie stays."""
    code = """
import time
reader, writer = os.pipe()
if os.fork() == 0:
    middle = os.getpid()
    if os.fork() == 0:
        while os.getppid() == middle:
            os.sched_yield()
        os.write(writer, b"%d" % os.getpid())
    os._exit(0)
os.wait()
orphan = int(os.read(reader, 20))
while os.path.exists(f"/proc/{orphan}"):
    os.sched_yield()
answer["zombies"] = 0
"""
    assert {"zombies": 0} == everywhere.ask(code)


def test_a_daemon_ends_with_the_program(everywhere, marker):
    """When the program ends, so does what it left behind, however well it hid."""
    done = everywhere.run("-q", "--", *INTERPRETER, DAEMON + "os._exit(7)", marker)
    assert (7, "", "") == world.outcome(done)
    assert [] == world.with_marker(marker)


def test_many_children_end(everywhere, marker):
    """Two hundred children that fork on while they are ended all end."""
    code = """
import os, signal
reader, writer = os.pipe()
for _ in range(200):
    if os.fork() == 0:
        os.setsid()
        os.write(writer, b"1")
        signal.pause()
count = 0
while count < 200:
    count += len(os.read(reader, 200))
"""
    assert (0, "", "") == world.outcome(everywhere.run("-q", "--", *INTERPRETER, code, marker))
    assert [] == world.with_marker(marker)


def test_a_program_that_forks_while_it_is_ended(everywhere, marker):
    """Chains of processes, each forking its successor and ending at once, are caught up with."""
    code = """
import os
reader, writer = os.pipe()
for _ in range(4):
    if os.fork() == 0:
        os.setsid()
        os.write(writer, b"1")
        while os.fork() == 0:
            pass
        os._exit(0)
count = 0
while count < 4:
    count += len(os.read(reader, 4))
"""
    assert (0, "", "") == world.outcome(everywhere.run("-q", "--", *INTERPRETER, code, marker))
    assert [] == world.with_marker(marker)


def test_signals_reach_the_whole_group(everywhere, marker):
    """A signal for the command reaches the program and its children."""
    code = """
import os, signal
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
reader, writer = os.pipe()
if os.fork() == 0:
    signal.sigwait({signal.SIGUSR1})
    os.write(writer, b"child")
    os._exit(0)
print("up", flush=True)
signal.sigwait({signal.SIGUSR1})
print(os.read(reader, 5))
"""
    with everywhere.start("-q", "--", *INTERPRETER, code, marker) as process:
        assert "up" == world.read_line(process)
        process.send_signal(signal.SIGUSR1)
        assert ("b'child'\n", "") == process.communicate(timeout=SECONDS)
    assert 0 == process.returncode


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"])
def test_forwarded_signals(sandbox, name):
    """Each of these reaches the program; how it ends by it is told in words, but for a mere Ctrl-C."""
    number = signal.Signals[name]
    code = "import signal; signal.signal(signal.SIGINT, signal.SIG_DFL); print('up', flush=True); signal.pause()"
    with sandbox.start("-q", "--", *INTERPRETER, code) as process:
        assert "up" == world.read_line(process)
        process.send_signal(number)
        _, words = process.communicate(timeout=SECONDS)
    said = "" if name == "SIGINT" else f"openshell: {world.PYTHON} was ended by {name}\n"
    assert (128 + number, said) == (process.returncode, words)


def children(pid):
    """Return the processes that a process has forked, and not reaped, and that still run."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found if ") Z" not in Path(f"/proc/{child}/stat").read_text()]


@pytest.mark.parametrize("victim", ["supervisor", "stem", "init"])
def test_whoever_is_killed_the_rest_ends(everywhere, marker, victim):
    """The supervisor, the stem, init: if one of them is killed, nothing of the sandbox lives on."""
    code = DAEMON + "print('up', flush=True); signal.pause()"
    with everywhere.start("-q", "--", *INTERPRETER, code, marker) as process:
        assert "up" == world.read_line(process)
        (stem,) = children(process.pid)
        (init,) = children(stem)
        os.kill({"supervisor": process.pid, "stem": stem, "init": init}[victim], signal.SIGKILL)
        if victim != "supervisor":
            process.send_signal(signal.SIGTERM)  # must not keep it from ending the rest
        process.communicate(timeout=SECONDS)
        until_gone(marker)
        assert process.returncode != 0


def test_a_program_that_stops_its_keeper(sandbox, marker):
    """Without a pid namespace a program can stop init, its parent; when the supervisor is killed it ends even so."""
    sandbox.world = world.NO_NAMESPACES
    code = "import os, signal; os.kill(os.getppid(), signal.SIGSTOP); print('up', flush=True); signal.pause()"
    with sandbox.start("-q", "--", *INTERPRETER, code, marker) as process:
        assert "up" == world.read_line(process)
        process.kill()
        process.communicate(timeout=SECONDS)
        until_gone(marker)


@pytest.mark.parametrize("step", range(20))
def test_a_kill_at_any_instant(sandbox, marker, step):
    """The supervisor is killed at one of twenty instants of a run: nothing lives on, records can be read."""
    sandbox.world = (world.NAMESPACES, world.NO_NAMESPACES)[step % 2]
    code = DAEMON + "print('up', flush=True); signal.pause()"
    name = f"killed-{marker}"
    with sandbox.start("-q", "--name", name, "--", *INTERPRETER, code, marker) as process:
        world.readable(process.stdout, step * 0.007)
        process.kill()
        process.wait()
        until_gone(marker)
    for view in runs.list_runs():
        if view.name == name:
            assert "lost" == view.state
            view.meta(), view.effective(), view.receipt()  # each is there as a whole, or not yet
    assert 0 == sandbox.run("-q", "--name", name, "--", "true").returncode


@pytest.mark.parametrize("options", [(), ("--gpu", "0")])
def test_a_stopped_stem_keeps_nobody(everywhere, options):
    """Somebody stopped the process between supervisor and init: the command ends with its program all the same."""
    with everywhere.start("-q", "-n", "stopped", *options, "--", "sh", "-c", "echo ready; read line") as process:
        assert "ready" == world.read_line(process)
        supervisor = everywhere.record("stopped").meta["supervisor_pid"]
        (stem,) = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
        os.kill(int(stem), signal.SIGSTOP)
        process.communicate("\n", timeout=SECONDS)
        assert 0 == process.returncode
