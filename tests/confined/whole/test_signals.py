"""Signals to the command reach the program's whole process group, and its answer is the command's."""

import os
import signal

import pytest

from tests.confined.landlock.harness import needs_landlock
from tests.confined.launch import world

pytestmark = needs_landlock

LISTENING = """
import os, signal, sys
wanted = {signal.Signals[name] for name in sys.argv[1:]}
signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
child = os.fork()
if child:
    print("ready", flush=True)
number = signal.sigwait(wanted)
if child:
    _, status = os.waitpid(child, 0)
    print("child", signal.Signals(status >> 8).name, flush=True)
    print("main", signal.Signals(number).name, flush=True)
os._exit(40 if child else number)
"""
KINDS = ("namespaces", "no namespaces")
"""Worlds where a signal takes different ways: to pid 1 of a namespace, and to an ordinary process."""
FORWARDED = ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")
ENDING = "sleep 60 & echo ready; wait"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", FORWARDED)
def test_the_group_gets_it(anyone, kind, name):
    """Main process and child both get it, once, and the exit code is the program's own."""
    world.needs_python()
    anyone.world = world.WORLDS[kind]
    command = (world.PYTHON, "-I", "-S", "-c", LISTENING, *FORWARDED)
    with anyone.start("-q", "--", *command) as process:
        assert "ready" == world.read_line(process)
        process.send_signal(signal.Signals[name])
        out, _ = process.communicate(timeout=world.SECONDS)
    assert (40, f"child {name}\nmain {name}\n") == (process.returncode, out)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_it_ends_a_program_that_does_not_listen(anyone, kind, name):
    """128+n, in words where a person did not send it, and nothing of the sandbox stays behind."""
    anyone.world = world.WORLDS[kind]
    marker = f"openshell-signals-{os.getpid()}"
    command = ("sh", "-c", f": {marker}; {ENDING}")
    with anyone.start("-q", "-n", "ended", "--", *command) as process:
        assert "ready" == world.read_line(process)
        assert world.with_marker(marker)
        process.send_signal(signal.Signals[name])
        _, told = process.communicate(timeout=world.SECONDS)
    number = signal.Signals[name]
    words = "openshell: sh was ended by SIGTERM\n" if name == "SIGTERM" else ""
    assert (128 + number, words) == (process.returncode, told)
    assert {"code": 128 + number, "signal": number, "exec_errno": None} == anyone.record("ended").exit
    assert [] == world.with_marker(marker)
