"""A program that turns on its own init: the run ends all the same, and never as if all were well."""

import signal

import pytest

from tests.confined.escape import outside
from tests.confined.launch import world

FATAL = (signal.SIGKILL, signal.SIGSTOP, signal.SIGSEGV, signal.SIGABRT, signal.SIGALRM)
"""What init cannot or does not catch. Stopped, it would be of no use any more: it is killed."""
PASSED = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGTTIN)
"""What init has blocked, or what stops only processes of a session with a terminal."""
CODE = """
import os, sys
marker, signal = sys.argv[1], int(sys.argv[2])
if os.fork() == 0:
    os.setsid()
    os.execv(sys.executable, [sys.executable, "-I", "-S", "-c", "import signal; signal.pause()", marker])
os.kill(os.getppid(), signal)
"""
"""The attacker leaves a helper behind, sends init a signal, and ends as if nothing had happened."""


def attack(sandbox, number):
    """Return how the run ended, and what is left of it."""
    world.needs_python()
    marker = f"attack-on-init-{sandbox.workdir.name}-{number}"
    done = sandbox.run("-q", "--", world.PYTHON, "-I", "-S", "-c", CODE, marker, number)
    return done, outside.left(marker)


@pytest.mark.parametrize("number", FATAL + PASSED, ids=lambda number: number.name)
def test_a_signal_to_init(everywhere, number):
    """Pid 1 of a namespace does not take it; elsewhere the sandbox ends, and the command says by what."""
    done, left = attack(everywhere, number)
    if number in PASSED or outside.has(everywhere, "pid"):
        assert (0, "", []) == (done.returncode, done.stderr, left)
        return
    cause = signal.SIGKILL if number == signal.SIGSTOP else number
    expected = f"openshell: the sandbox's first process was killed by {cause.name}\n"
    assert (128 + cause, expected, []) == (done.returncode, done.stderr, left)


def test_killing_everybody_inside(sandbox):
    """``kill(-1, SIGKILL)`` ends the program's others. Only in a pid namespace: else a failure would end the tests."""
    world.needs_python()
    world.needs_namespaces()
    code = "import os; os.fork() or os.execv('/bin/sleep', ['sleep', '60']); os.kill(-1, 9); os.wait()"
    done = sandbox.run("-q", "--", world.PYTHON, "-I", "-S", "-c", code)
    assert (0, "", "") == world.outcome(done)
