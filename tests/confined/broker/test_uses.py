"""What the broker tells of its work: the first use of each process, the first refusal of each kind, and counts."""

import os
import platform
import signal

import pytest

from pyopenshell.kernel import namespaces as ns
from pyopenshell.launch.reports import MOST
from pyopenshell.seccomp.broker import MAX_PROCESSES, MAX_REFUSALS
from tests.confined.broker import harness, inside
from tests.confined.landlock.harness import in_child

pytestmark = harness.needs_landlock
kinds = pytest.mark.parametrize("kind", harness.KINDS, ids=str)
OWN = "/proc/self/comm"
ROUNDS = MAX_REFUSALS + 4


def _try(path=OWN):
    return inside.attempt(inside.by_openat, inside.CWD, path)


def _child(action):
    """Run an action in a child; return its number once it has ended."""
    pid = os.fork()
    if pid == 0:
        action()
        os._exit(0)
    os.waitpid(pid, 0)
    return pid


@kinds
def test_the_first_use_of_each_process(kind):
    """A process is told once, however often it opens and by which thread; its child is another one."""

    def workload():
        with inside.thread() as tid:
            answers = [_try(), _try(), _try(f"/proc/self/task/{tid}/comm")]
        return answers, os.getpid(), _child(lambda: [_try() for _ in range(3)])

    served = harness.run(workload, kind)
    answers, *processes = served.answer
    assert ["ok"] * 3 == answers
    assert {"granted": 6} == served.counts
    assert [("granted", pid, OWN.encode()) for pid in processes] == [
        (use.kind, use.inside, use.path) for use in served.uses
    ]
    assert kind.pid_namespace is not (served.uses[0].pid == served.uses[0].inside)


@kinds
def test_refusals_are_told_and_counted(kind):
    """The first of each kind are told, with the path that was asked for; all are counted."""

    def workload():
        for _ in range(ROUNDS):
            for path in ("/proc/1/comm", "/proc/self/../self/comm", "/proc/self/mem", "/etc/passwd"):
                _try(path)
            inside.attempt(inside.by_openat, inside.CWD, OWN, os.O_RDWR | os.O_TRUNC)
            inside.attempt(inside.by_openat, inside.CWD, 1)
        return os.getpid()

    served = harness.run(workload, kind)
    kinds = dict.fromkeys(("other-process", "spelling", "flags", "unreadable"), ROUNDS)
    assert kinds | {"passed": 2 * ROUNDS} == served.counts
    told = [("other-process", b"/proc/1/comm"), ("spelling", b"/proc/self/../self/comm"), ("flags", OWN.encode())]
    told.append(("unreadable", b""))
    assert told * MAX_REFUSALS == [(use.kind, use.path) for use in served.uses]
    assert [served.answer] * 3 == [use.inside for use in served.uses[:3]]


def test_relative_paths_are_told_whole():
    """The path that is told starts at the root."""

    def workload():
        os.chdir("/proc/self/task")
        return _try("../comm"), os.getpid()

    served = harness.run(workload)
    assert "EACCES" == served.answer[0]
    assert [f"/proc/{served.answer[1]}/task/../comm".encode()] == [use.path for use in served.uses]


def test_a_bad_name_does_not_pass_for_a_number():
    """A thread whose name looks like a line of its own status is known by its number all the same."""

    def workload():
        fd = inside.by_openat(inside.CWD, OWN)
        os.write(fd, b"x\nNStgid:\t1\n")
        os.close(fd)
        return _try(), _try("/proc/1/comm"), os.getpid()

    served = harness.run(workload)
    assert ("ok", "EACCES") == served.answer[:2]
    assert [served.answer[2]] * 2 == [use.inside for use in served.uses]


def test_many_living_processes():
    """Of more processes than the broker remembers each is served, twice: it forgets the oldest, and tells again."""
    number = MAX_PROCESSES + 40

    def workload():
        go, gone = os.pipe()
        told, tell = os.pipe()
        for _ in range(number):
            if os.fork() == 0:
                os.close(gone)
                os.write(tell, b"1" if _try() == "ok" else b"0")
                os.read(go, 1)
                os.write(tell, b"1" if _try() == "ok" else b"0")
                os._exit(0)
        os.close(tell)
        first = b"".join(os.read(told, 1) for _ in range(number))
        os.close(gone)
        second = b"".join(os.read(told, 1) for _ in range(number))
        return first, second

    served = harness.run(workload)
    assert (b"1" * number, b"1" * number) == served.answer
    assert {"granted": 2 * number} == served.counts
    assert number <= len(served.uses) <= 2 * number
    assert number == len({use.pid for use in served.uses})


def test_more_uses_than_are_told():
    """After a thousand events processes are only counted, however many there are."""
    number = MOST + 50

    def workload():
        for _ in range(number):
            _child(_try)

    served = harness.run(workload)
    assert {"granted": number} == served.counts
    assert number == len(served.uses) + served.untold
    assert served.untold >= 50


def test_nobody_listens():
    """A supervisor that takes no reports until the end holds nobody up: the counts have what did not fit."""
    number = MOST + 50

    def workload():
        for _ in range(number):
            _child(_try)
        return "done"

    with harness.start(workload) as served:
        served.wait_for_end()
        served.finish()
    assert "done" == served.answer
    assert 0 < len(served.uses) < MOST
    assert {"granted": number} == served.counts
    assert number == len(served.uses) + served.untold


def _in_pid_namespace(action):
    """Call an action as the first process of a pid namespace with its own ``/proc``."""
    if os.getuid():
        pytest.skip("needs: root")

    def first():
        ns.mount("proc", "/proc", "proc", 0)
        signal.alarm(0)
        return action()

    def around():
        ns.unshare(ns.CLONE_NEWPID | ns.CLONE_NEWNS)
        ns.mount(None, "/", None, ns.MS_REC | ns.MS_PRIVATE)
        return in_child(first)

    return in_child(around)


def _uses(served):
    return [(use.kind, use.inside) for use in served.uses], served.counts, served.untold


def test_a_reused_number():
    """A process with the number of one that ended is another one, and is told."""

    def action():
        asked, ask = os.pipe()
        answered, answer = os.pipe()

        def helper():
            # Privileged and outside of the domain: it makes the next process have the number it is told.
            if os.fork() == 0:
                number = os.read(asked, 20)
                with open("/proc/sys/kernel/ns_last_pid", "wb") as file:
                    file.write(number)
                os.write(answer, b"1")
                os._exit(0)

        def workload():
            first = _child(lambda: (_try(), _try()))
            os.write(ask, b"%d" % (first - 1))
            os.read(answered, 1)
            return first, _child(lambda: (_try(), _try()))

        served = harness.run(workload, inside=helper, keep=(asked, ask, answered, answer))
        return served.answer, _uses(served)

    (first, second), (uses, counts, _) = _in_pid_namespace(action)
    assert first == second
    assert ([("granted", first), ("granted", first)], {"granted": 4}) == (uses, counts)


def test_a_storm_of_reused_numbers(compiled):
    """2,000 processes on a hundred numbers: each is one of its own."""
    if tuple(map(int, platform.release().split(".")[:2])) < (6, 14):
        pytest.skip("needs: a pid namespace's own pid_max (Linux 6.14)")
    program = compiled("storm")

    def action():
        with open("/proc/sys/kernel/pid_max", "w") as file:
            file.write("400")
        served = harness.run([program, "2000", "16"])
        return served.output, _uses(served), len({use.pid for use in served.uses})

    output, (uses, counts, untold), numbers = _in_pid_namespace(action)
    assert ("failed 0\n", {"granted": 2000}) == (output, counts)
    assert 2000 == len(uses) + untold
    assert numbers < 400
