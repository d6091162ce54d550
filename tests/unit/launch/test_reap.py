"""The end of everything below a process: real processes, in a child of their own that is a subreaper."""

import os
import select
import signal

import pytest
from tests.confined.landlock import harness

from pyopenshell.kernel import process
from pyopenshell.landlock.downgrade import handled
from pyopenshell.launch import reap

DEAF = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


def family(depth, width):
    """Fork ``width`` children, each with such a family below it; all deaf and in sessions of their own. Return a pipe.

    Each of them holds the pipe's other end: it ends when the last of them has.
    """
    reader, writer = os.pipe()
    ready, started = os.pipe()
    for _ in range(width):
        if os.fork() == 0:
            grow(depth - 1, width, started)
    total = sum(width**level for level in range(1, depth + 1))
    got = 0
    while got < total:
        got += len(os.read(ready, total))
    for fd in (writer, started, ready):
        os.close(fd)
    return reader


def grow(depth, width, started):
    os.setsid()
    for number in DEAF:
        signal.signal(number, signal.SIG_IGN)
    if depth:
        for _ in range(width):
            if os.fork() == 0:
                grow(depth - 1, width, started)
    os.write(started, b"1")
    while True:
        signal.pause()


def is_over(pipe):
    """Whether the last holder of the other end has gone."""
    return bool(select.select([pipe], [], [], 0)[0])


def test_a_family_ends():
    """Three generations, each in a session of its own: none is left, and none is a zombie."""

    def action():
        process.set_child_subreaper()
        pipe = family(3, 3)
        return [reap.sweep(), is_over(pipe), reap.children()]

    assert [[], True, []] == harness.in_child(action)


def test_orphans_end_too():
    """What a child leaves behind when it ends is found although it was nobody's child to us."""

    def action():
        process.set_child_subreaper()
        reader, writer = os.pipe()
        if os.fork() == 0:
            pipe = family(2, 2)
            os.write(writer, b"1")
            os.read(reader, 0)
            os._exit(pipe - pipe)
        os.read(reader, 1)
        os.close(writer)
        left = reap.sweep()
        return [left, os.read(reader, 1), reap.children()]

    assert [[], b"", []] == harness.in_child(action)


def test_who_is_spared():
    """Children that were there before are none of its business, nor what is below them."""

    def action():
        process.set_child_subreaper()
        pipe = family(2, 2)
        spare = frozenset(reap.children())
        own = family(1, 2)
        left = reap.sweep(spare)
        return [left, is_over(pipe), is_over(own), len(reap.sweep())]

    assert [[], False, True, 0] == harness.in_child(action)


def test_both_ways_to_find_children_agree():
    """A kernel without /proc/<pid>/task/<tid>/children is searched instead, with the same result."""

    def action():
        process.set_child_subreaper()
        family(2, 3)
        found = [sorted(reap.children()), sorted(reap._children_by_search())]
        reap.sweep()
        return found

    quick, slow = harness.in_child(action)
    assert (3, quick) == (len(quick), slow)


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (lambda: os._exit(0), 0),
        (lambda: os._exit(7), 7),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), 128 + signal.SIGKILL),
        (lambda: os.kill(os.getpid(), signal.SIGTERM), 128 + signal.SIGTERM),
    ],
    ids=["0", "7", "SIGKILL", "SIGTERM"],
)
def test_waiting(end, expected):
    """The child's exit code comes back, 128+n for a signal, and what it left behind is gone by then."""

    def action():
        process.set_child_subreaper()
        pid = os.fork()
        if pid == 0:
            family(1, 2)
            end()
        return [reap.wait_and_sweep(pid), reap.children()]

    assert [expected, []] == harness.in_child(action)


@pytest.mark.parametrize("stopped", [False, True])
def test_being_left_alone(stopped):
    """When the supervisor has died, told by ALONE, all is ended, also a child that somebody has stopped."""

    def action():
        process.set_child_subreaper()
        pipe = family(2, 2)
        pid = reap.children()[0]
        if stopped:
            os.kill(pid, signal.SIGSTOP)
        signal.pthread_sigmask(signal.SIG_BLOCK, {reap.ALONE})
        os.kill(os.getpid(), reap.ALONE)
        return [reap.wait_and_sweep(pid) in (125, 128 + signal.SIGKILL), is_over(pipe), reap.children()]

    assert [True, True, []] == harness.in_child(action)


@pytest.mark.skipif(harness.ABI < 6, reason="needs: Landlock ABI 6")
def test_the_end_of_a_domain():
    """Everybody in the domain, however fast they fork, and nobody outside it, though the user is the same."""
    uid = harness.NOBODY if os.geteuid() == 0 else None

    def action():
        harness.enforce(handled(6, tcp=False), [("/proc", ("read_file", "read_dir"))], uid=uid)
        process.set_child_subreaper()
        pipe = family(2, 3)
        chain, started = os.pipe()
        if os.fork() == 0:
            os.write(started, b"1")
            while os.fork() == 0:
                pass
            os._exit(0)
        os.close(started)
        os.read(chain, 1)
        reap.end_domain()
        return [reap.sweep(), is_over(pipe), os.read(chain, 1), reap.children()]

    with harness.bystander(uid) as outside:
        assert [[], True, b"", []] == harness.in_child(action)
        os.kill(outside, 0)
        with open(f"/proc/{outside}/stat") as file:
            assert file.read().rpartition(")")[2].split()[0] == "S"


def test_a_domain_of_nobody():
    """Alone in it there is nobody to kill, and no error."""
    if harness.ABI < 6:
        pytest.skip("needs: Landlock ABI 6")

    def action():
        harness.enforce(handled(6, tcp=False))
        reap.end_domain()
        return 1

    assert 1 == harness.in_child(action)
