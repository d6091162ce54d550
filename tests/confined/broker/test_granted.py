"""What the broker grants: the name files of the caller's own threads, in every spelling that is followed."""

import fcntl
import os
import threading

import pytest

from pyopenshell.kernel.syscalls import number
from pyopenshell.launch import brokering
from tests.confined.broker import harness, inside

pytestmark = harness.needs_landlock
kinds = pytest.mark.parametrize("kind", harness.KINDS, ids=str)

# T: another thread; P: the process, which is also the first thread's number. Last: whose name it is.
ABSOLUTE = [
    ("/proc/self/task/T/comm", "T"),
    ("/proc/P/task/T/comm", "T"),
    ("/proc/self/task/P/comm", "P"),
    ("/proc/self/comm", "P"),
    ("/proc/P/comm", "P"),
    ("/proc/T/comm", "T"),
    ("/proc/thread-self/comm", "P"),
    ("//proc//self///task/T//comm", "T"),
    ("/./proc/./self/./task/./T/./comm", "T"),
    ("/proc/./self//task/.//T/comm", "T"),
]
# The folder that a relative path starts from, as the working folder and as a descriptor.
RELATIVE = [
    ("/", "proc/self/task/T/comm", "T"),
    ("/proc", "self/task/T/comm", "T"),
    ("/proc", "P/comm", "P"),
    ("/proc", "T/comm", "T"),
    ("/proc", "./thread-self/comm", "P"),
    ("/proc/self", "task/T/comm", "T"),
    ("/proc/self", "comm", "P"),
    ("/proc/self", ".//comm", "P"),
    ("/proc/P", "task/P/comm", "P"),
    ("/proc/T", "comm", "T"),
    ("/proc/thread-self", "comm", "P"),
    ("/proc/self/task", "T/comm", "T"),
    ("/proc/self/task/T", "comm", "T"),
]


def _spelled(text, tid):
    return text.replace("T", str(tid)).replace("P", str(os.getpid()))


def _named(tid, whose, **how):
    """Name a thread through a path; return whether that worked and took the lowest descriptor."""
    owner = tid if whose == "T" else os.getpid()
    free = os.dup(2)
    os.close(free)
    fd = inside.by_openat(how.get("folder", inside.CWD), how["path"])
    try:
        text = f"n{os.urandom(4).hex()}"
        os.write(fd, text.encode())
        return (fd == free, inside.called(owner) == text, os.get_inheritable(fd))
    finally:
        os.close(fd)


GOOD = (True, True, True)
"""The lowest descriptor, the right thread's name, and inherited by an exec, as the flags say."""


@kinds
def test_absolute(kind):
    """Every spelling of an own thread's file opens it, at the lowest free number."""

    def workload():
        with inside.thread() as tid:
            return {path: _named(tid, whose, path=_spelled(path, tid)) for path, whose in ABSOLUTE}

    assert {path: GOOD for path, _ in ABSOLUTE} == harness.run(workload, kind).answer


@kinds
@pytest.mark.parametrize("way", ["working folder", "descriptor"])
def test_relative(kind, way):
    """The same from the folders above it: the working folder, or one given by descriptor."""

    def workload():
        found = {}
        with inside.thread() as tid:
            for base, path, whose in RELATIVE:
                if way == "working folder":
                    os.chdir(_spelled(base, tid))
                    found[base, path] = _named(tid, whose, path=_spelled(path, tid))
                    continue
                folder = os.open(_spelled(base, tid), os.O_RDONLY | os.O_DIRECTORY)
                found[base, path] = _named(tid, whose, path=_spelled(path, tid), folder=folder)
                os.close(folder)
        return found

    assert {(base, path): GOOD for base, path, _ in RELATIVE} == harness.run(workload, kind).answer


def test_from_a_descriptor_without_reading():
    """An O_PATH descriptor is a starting point like any other, and an absolute path needs no good one."""

    def workload():
        folder = os.open("/proc/self", os.O_PATH | os.O_DIRECTORY)
        return (
            _named(0, "P", path="comm", folder=folder),
            _named(0, "P", path="/proc/self/comm", folder=-1),
            _named(0, "P", path="/proc/self/comm", folder=12345),
        )

    assert (GOOD, GOOD, GOOD) == harness.run(workload).answer


@kinds
@pytest.mark.parametrize("who", ["first", "second"])
def test_open_without_a_folder(kind, who):
    """open(2) is served like openat(2), from the first thread and from another, whose thread-self is its own."""
    if number("open") is None:
        pytest.skip("needs: open(2)")

    def workload():
        found = []

        def try_it():
            os.write(inside.by_open("/proc/thread-self/comm"), b"by-open")
            found.append(inside.called(threading.get_native_id()))

        if who == "first":
            try_it()
        else:
            thread = threading.Thread(target=try_it)
            thread.start()
            thread.join()
        return (*found, inside.called(os.getpid()))

    answer = harness.run(workload, kind).answer
    assert ("by-open", who == "first") == (answer[0], answer[1] == "by-open")


FLAGS = [
    # flags, those that the descriptor has, whether an exec closes it
    (os.O_WRONLY, os.O_WRONLY, False),
    (os.O_RDWR, os.O_RDWR, False),
    (os.O_RDWR | os.O_CLOEXEC, os.O_RDWR, True),
    (os.O_WRONLY | os.O_CLOEXEC, os.O_WRONLY, True),
    (os.O_WRONLY | os.O_APPEND, os.O_WRONLY | os.O_APPEND, False),
    (os.O_RDWR | os.O_NONBLOCK, os.O_RDWR | os.O_NONBLOCK, False),
    (os.O_RDWR | os.O_NOCTTY, os.O_RDWR, False),
    (os.O_RDWR | os.O_NOFOLLOW, os.O_RDWR, False),
    (os.O_RDWR | os.O_SYNC, os.O_RDWR, False),
    (os.O_RDWR | 0xDEAD << 32, os.O_RDWR, False),
]
SHOWN = os.O_ACCMODE | os.O_APPEND | os.O_NONBLOCK


@pytest.mark.parametrize(("flags", "shown", "closes"), FLAGS)
def test_flags(flags, shown, closes):
    """The descriptor has the flags that were asked for, no more; rubbish above an int's bits means nothing."""

    def workload():
        fd = inside.by_openat(inside.CWD, "/proc/self/comm", flags)
        os.write(fd, b"flagged")
        return fcntl.fcntl(fd, fcntl.F_GETFL) & SHOWN, not os.get_inheritable(fd), inside.called(os.getpid())

    assert (shown, closes, "flagged") == harness.run(workload).answer


@pytest.mark.parametrize("mode", [os.O_RDONLY, os.O_WRONLY, os.O_RDWR])
def test_access_mode_is_kept(mode):
    """A descriptor opened for writing alone cannot be read, and no mode gives more than it says."""

    def workload():
        fd = inside.by_openat(inside.CWD, "/proc/self/comm", mode)
        return inside.attempt(os.read, fd, 1), inside.attempt(os.write, fd, b"x")

    expected = ("EBADF" if mode == os.O_WRONLY else "ok", "EBADF" if mode == os.O_RDONLY else "ok")
    assert expected == harness.run(workload).answer


@kinds
def test_three_hundred_threads(kind, compiled):
    """Threads name themselves and each other, all at once, 3,000 times, without a single error."""
    served = harness.run([compiled("threads"), "300", "10"], kind)
    assert (0, "failed 0 wrong 0\n", 3000) == (served.code, served.output, served.counts["granted"])
    assert ["granted"] == [use.kind for use in served.uses]


@kinds
def test_the_first_thread_is_gone(kind, compiled):
    """After the leader's pthread_exit the others still name themselves, through every spelling."""
    served = harness.run([compiled("leaderless")], kind)
    assert (0, "self 1 pid 1 thread-self 1 own 1\n") == (served.code, served.output)


@kinds
def test_forked_executed_and_orphaned(kind, compiled):
    """A child, what it executes, and a daemon whose parents have ended: each names itself, and each is told once."""
    served = harness.run([compiled("family")], kind)
    assert (0, "child 1 grandchild 1 daemon 1 executed 1\n") == (served.code, served.output)
    assert {"granted": 4} == served.counts
    assert ["granted"] * 4 == [use.kind for use in served.uses]


def test_a_member_of_many_groups():
    """The numbers of a process that is in 3,000 groups are far down in its status."""
    kind = harness.Kind("user", pid_namespace=False)
    kind.groups = tuple(range(100_000, 103_000))

    def workload():
        return len(os.getgroups()), inside.attempt(inside.by_openat, inside.CWD, "/proc/self/comm")

    assert (3000, "ok") == harness.run(workload, kind).answer


def test_a_caller_that_is_not_where_it_should_be(monkeypatch):
    """A caller without a number in the sandbox's pid namespace (its own was reused outside) does not end the broker."""

    def elsewhere(channel, here, reporter, *, depth):
        return original(channel, here, reporter, depth=depth + 1)

    original = brokering.Brokering
    monkeypatch.setattr(brokering, "Brokering", elsewhere)
    served = harness.run(lambda: [inside.attempt(inside.by_openat, inside.CWD, "/proc/self/comm") for _ in range(2)])
    assert (["EACCES", "EACCES"], {"unreadable": 2}) == (served.answer, served.counts)
