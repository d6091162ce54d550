"""Other processes, seen from a sandbox with a broker: outside, around and beside it."""

import errno
import os
import signal

import pytest

from pyopenshell.kernel import namespaces as ns
from pyopenshell.launch import reap
from tests.confined.broker import harness, inside
from tests.confined.landlock.harness import bystander, in_child

pytestmark = harness.needs_landlock
kinds = pytest.mark.parametrize("kind", harness.KINDS, ids=str)
OTHER, SPELLING, PASSED = "other-process", "spelling", "passed"


@kinds
@pytest.mark.parametrize("confined", [False, True])
def test_processes_outside(kind, confined):
    """A process of the same uid, and one in a sandbox of its own: in no way, and its name stays."""
    kind.check()
    uid = None if kind.who == "root" or os.getuid() else harness.NOBODY
    with bystander(uid, harness.handled() if confined else None) as other:
        before = _name(other)
        paths = [f"/proc/{other}/comm", f"/proc/{other}/task/{other}/comm", f"/proc/self/task/{other}/comm"]
        paths += [f"/proc/self/root/proc/{other}/comm", f"/proc/{os.getpid()}/comm", f"/proc/{other}/oom_score_adj"]
        served = harness.run(lambda: [inside.attempt(inside.by_openat, inside.CWD, path) for path in paths], kind)
        assert before == _name(other)
    assert {"EACCES", "ENOENT"} >= set(served.answer)
    assert {OTHER: 4, SPELLING: 1, PASSED: 1} == served.counts


def _name(pid):
    with open(f"/proc/{pid}/comm") as file:
        return file.read()


@kinds
def test_the_broker_itself(kind):
    """The broker's own name, its memory and its descriptors are out of reach from within."""

    def workload():
        broker = _parent_of(os.getppid())
        found = [inside.attempt(os.readlink, f"/proc/{broker}/{link}") for link in ("fd/2", "cwd", "exe")]
        for file in ("comm", f"task/{broker}/comm", "mem", "oom_score_adj", "maps"):
            found.append(inside.attempt(os.open, f"/proc/{broker}/{file}", os.O_RDWR))
        return found

    answer = harness.run(workload, kind).answer
    assert ["ENOENT" if kind.pid_namespace else "EACCES"] * 8 == answer


def _parent_of(pid):
    with open(f"/proc/{pid}/stat") as file:
        return int(file.read().rpartition(")")[2].split()[1])


@kinds
def test_threads_of_others(kind):
    """A thread of another process, by its own number, is as far away as its process."""

    def workload():
        told, tell = os.pipe()
        go, gone = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(gone)
            with inside.thread() as tid:
                os.write(tell, tid.to_bytes(4, "little"))
                os.read(go, 1)
            os._exit(0)
        tid = int.from_bytes(os.read(told, 4), "little")
        paths = (
            f"/proc/{tid}/comm",
            f"/proc/self/task/{tid}/comm",
            f"/proc/{pid}/task/{tid}/comm",
            f"/proc/{tid}/task/{tid}/comm",
        )
        found = [inside.attempt(inside.by_openat, inside.CWD, path) for path in paths]
        os.close(gone)
        os.waitpid(pid, 0)
        return found

    served = harness.run(workload, kind)
    assert (["EACCES", "ENOENT", "EACCES", "EACCES"], {OTHER: 4}) == (served.answer, served.counts)


@kinds
def test_inherited_folders(kind):
    """Folders of the host's /proc, left open by whoever started the sandbox, lead to nothing but the own name."""
    kind.check()
    with bystander(None if kind.who == "root" or os.getuid() else harness.NOBODY) as other:
        # In a pid namespace the workload is number 2: the host's 2 has another name, which must stay.
        paths = ("/proc", f"/proc/{other}", f"/proc/{other}/task", "/proc/2", "/")
        folders = tuple(os.open(path, os.O_PATH | os.O_DIRECTORY) for path in paths)
        host, its, tasks, second, root = folders
        tries = [(its, "comm"), (tasks, f"{other}/comm"), (host, f"{other}/comm"), (host, "1/comm"), (second, "comm")]
        tries += [(host, "sys/kernel/hostname"), (its, "oom_score_adj"), (its, "root/proc/self/comm")]
        tries += [(root, "proc/1/comm"), (root, "proc/self/../self/comm")]

        def workload():
            found: list[int | str] = []
            for folder, path in tries:
                try:
                    fd = inside.by_openat(folder, path)
                except OSError as error:
                    found.append(errno.errorcode[error.errno or 0])
                    continue
                os.write(fd, b"whose")  # of another process it would be EINVAL
                found.append(os.getpid() if inside.called(os.getpid()) == "whose" else "another's")
                os.close(fd)
            return found

        before = _name(other), _name(2)
        answer = harness.run(workload, kind, keep=folders).answer
        assert before == (_name(other), _name(2))
        for folder in folders:
            os.close(folder)
    own = 2 if kind.pid_namespace else "EACCES"
    assert {"EACCES", "ENOENT", own} >= set(answer), answer
    assert (own, False) == (answer.pop(4), 2 in answer)


def test_the_stem_takes_no_inner_number_for_an_outer_one():
    """Whoever keeps a pid namespace sees its /proc, where other processes have the numbers of those outside.

    Inside there is a process with the stem's number, and its child has that of somebody outside: nobody is killed.
    """
    if os.getuid():
        pytest.skip("needs: root")

    def number(wanted, action):
        with open("/proc/sys/kernel/ns_last_pid", "w") as file:
            file.write(str(wanted - 1))
        pid = os.fork()
        if pid == 0:
            action()
        assert pid == wanted
        return pid

    def first(stem, other, ready):
        ns.mount("proc", "/proc", "proc", 0)

        def like_the_other():
            os.write(ready, b"1")
            signal.pause()

        def like_the_stem():
            number(other, like_the_other)
            signal.pause()

        number(stem, like_the_stem)
        signal.pause()

    def keeper(other):
        told, ready = os.pipe()
        ns.unshare(ns.CLONE_NEWPID | ns.CLONE_NEWNS)
        ns.mount(None, "/", None, ns.MS_REC | ns.MS_PRIVATE)
        stem = os.getpid()
        pid = os.fork()
        if pid == 0:
            first(stem, other, ready)
        os.read(told, 1)
        try:
            return reap.children()
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)

    with bystander() as other:
        assert [] == in_child(lambda: keeper(other))
