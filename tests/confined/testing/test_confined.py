"""Functions run in a sandbox: what they return, print and raise, and that it is one."""

import os
import socket

import pytest

from pyopenshell import CommandTimeout, Policy, Sandbox
from pyopenshell.testing import isolated_state, open_workdir, run_confined
from tests.confined.landlock.harness import needs_landlock

pytestmark = needs_landlock


@pytest.fixture(scope="module")
def box():
    """One sandbox for what needs no own."""
    with isolated_state(), open_workdir() as folder, Sandbox(workdir=folder) as opened:
        yield opened


def facts(path, *, suffix="!"):
    """Return something, print something, leave something."""
    print("printed" + suffix)
    with open(path, "w") as file:
        file.write("left")
    return {"uid": os.getuid(), "here": sorted(os.listdir("."))}


def test_a_function_and_what_comes_of_it(box):
    """Its value is its own, what it prints is apart, and it really ran elsewhere."""
    confined = run_confined(facts, "made", box=box)
    assert ("printed!\n", "", 0, True) == (confined.stdout, confined.stderr, confined.exit, confined.finished)
    assert ["made"] == confined.value["here"]
    assert box.effective.identity.uid == confined.check()["uid"]


def reach(host):
    """Connect to somewhere."""
    socket.create_connection((host, 80), timeout=5).close()


def test_what_is_denied_is_an_outcome(box):
    """The exception is told by its type, its number and its traceback; ``check`` fails with all of it."""
    confined = run_confined(reach, "192.0.2.1", box=box)
    assert confined.value is None
    assert str(confined.error).startswith("OSError: [Errno ")
    assert confined.errno in (101, 97, 1, 13)
    with pytest.raises(AssertionError, match=r"(?s)raised inside the sandbox.*socket\.create_connection\(\(host"):
        confined.check()


def leave():
    """End the interpreter in the middle."""
    print("before", flush=True)
    os._exit(3)


def test_an_interpreter_that_is_gone(box):
    """Nothing is taken for a value, and what it printed is kept."""
    confined = run_confined(leave, box=box)
    assert (None, "before\n", 3, False) == (confined.value, confined.stdout, confined.exit, confined.finished)
    with pytest.raises(AssertionError, match="ended with exit code 3"):
        confined.check()


def twice(number):
    """Return what is no JSON."""
    return {number}


def test_what_is_no_json_is_an_error(box):
    """It is the function's, not this process's."""
    assert str(run_confined(twice, 1, box=box).error).startswith("TypeError: ")


def test_source(box):
    """A piece of source runs as it stands; its output and its exception are the outcome."""
    assert "3\n" == run_confined("print(1 + 2)", box=box).check() or run_confined("print(1 + 2)", box=box).stdout
    assert "ZeroDivisionError: division by zero" == run_confined("1 / 0", box=box).error


def test_output_that_looks_like_an_outcome(box):
    """What a function prints is never taken for what it returned."""
    confined = run_confined("print('{\"value\": 1}', end='')", box=box)
    assert (None, '{"value": 1}') == (confined.value, confined.stdout)


def test_its_input_is_empty(box):
    """The task is not there to be read a second time."""
    assert "''\n" == run_confined("import sys; print(repr(sys.stdin.read()))", box=box).stdout


def test_a_sandbox_of_its_own(workdir):
    """A policy and options make one, which is gone afterwards; by default in a folder that is gone, too."""
    policy = Policy.from_dict({"version": 1})
    source = "import os; print(os.getcwd()); open('/var/tmp/file', 'w')"
    confined = run_confined(source, policy=policy, workdir=workdir)
    assert f"{workdir}\n" == confined.stdout
    assert confined.errno in (13, 30)
    assert not os.path.exists(run_confined("import os; print(os.getcwd())").stdout.strip())


def test_a_time_limit(box):
    """A function that hangs is killed."""
    with pytest.raises(CommandTimeout):
        run_confined("while True: pass", box=box, timeout=0.5)


def test_a_sandbox_has_its_policy_already(box):
    """Nothing is accepted and ignored."""
    with pytest.raises(ValueError, match="has its policy"):
        run_confined("pass", box=box, policy=Policy.default())
