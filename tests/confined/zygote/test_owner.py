"""The zygote does what a run of the command would do now, whatever its owner did since; and never outlives it."""

import ctypes
import os
import select
import signal
import sys
import threading

import pytest

from pyopenshell import Sandbox, SandboxGone, ZygoteError
from pyopenshell.zygote import client
from tests.confined.zygote.conftest import sh

SECONDS = 20


def zygote_of(box):
    """The process that keeps a sandbox."""
    return box._link.zygote.pid


def nursery_of(box):
    """The process that forks sandboxes."""
    zygote = zygote_of(box)
    with open(f"/proc/{zygote}/task/{zygote}/children", encoding="ascii") as file:
        return int(file.read().split()[0])


def ended(pids):
    """Wait for processes to end; return those that have not."""
    left = []
    for pid in pids:
        try:
            fd = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        if not select.select([fd], [], [], SECONDS)[0]:
            left.append(pid)
        os.close(fd)
    return left


# What the owner changes between two sandboxes.


def test_its_environment(options, monkeypatch):
    """Each sandbox has the variables of its own time."""
    monkeypatch.setenv("LANG", "C")
    with Sandbox(**options) as box:
        assert "C\n" == box.run(sh("echo $LANG")).stdout
        monkeypatch.setenv("LANG", "C.UTF-8")
        with Sandbox(**options) as other:
            assert "C.UTF-8\n" == other.run(sh("echo $LANG")).stdout
        assert "C\n" == box.run(sh("echo $LANG")).stdout


def test_its_folder(options, workdir, monkeypatch):
    """Without one that is named a sandbox works in the owner's current one."""
    for name in ("one", "two"):
        (workdir / name).mkdir()
        os.chmod(workdir / name, 0o755)
        os.chown(workdir / name, workdir.stat().st_uid, workdir.stat().st_gid)
        monkeypatch.chdir(workdir / name)
        with Sandbox(max_abi=options["max_abi"]) as box:
            assert f"{workdir}/{name}\n" == box.run(["pwd"]).stdout
            assert box.run(sh("echo x > mine")).ok
        assert (workdir / name / "mine").exists()


def test_its_state_folder(options, monkeypatch, tmp_path):
    """A record is where the owner's state is when the sandbox is made; and stays there to the end."""
    first = Sandbox(**options).start()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with Sandbox(**options) as box:
        assert box.record.startswith(str(tmp_path))
        assert not first.record.startswith(str(tmp_path))
        first.run(["/bin/true"])
    first.close()
    for record in (first.record, box.record):
        assert {"exit.json", "events.jsonl"} <= set(os.listdir(record))


def test_its_umask(options, workdir):
    """What is made in a sandbox, and of its record, does not depend on it."""
    before = os.umask(0)
    try:
        with Sandbox(**options) as box:
            box.run(sh("echo x > made"))
    finally:
        os.umask(before)
    assert 0o644 == (workdir / "made").stat().st_mode & 0o777
    assert {0o600} == {os.stat(f"{box.record}/{name}").st_mode & 0o777 for name in os.listdir(box.record)}


def test_its_signals(options):
    """What it blocks and ignores is nothing that a program inherits."""
    handlers = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGPIPE, signal.SIGHUP)}
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        with Sandbox(**options) as box:
            assert 128 + signal.SIGTERM == box.run(sh("kill -TERM $$")).exit
            assert 128 + signal.SIGPIPE == box.run(sh("kill -PIPE $$")).exit
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        for number, handler in handlers.items():
            signal.signal(number, handler)


# Ends.


def owner(options, act):
    """Fork an owner of a sandbox with a command in it that then acts; return its status and the pids it told."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            box = Sandbox(**options).start()
            box.popen(sh("setsid sleep 1000 & exec sleep 1000"))
            own = (zygote_of(box), nursery_of(box), box.pid)
            os.write(write, " ".join([*map(str, own), "\n"]).encode())
            act(box)
        except BaseException:
            os._exit(98)
        finally:
            os._exit(99)
    os.close(write)
    with open(read, "rb") as told:
        pids = [int(word) for word in told.readline().split()]
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), pids


def test_a_library_forked_its_owner(options, workdir):
    """Without a word to the interpreter: the copy has all our descriptors, and is not who the zygote is for."""

    def act(_box):
        pid = ctypes.PyDLL(None).fork()
        if pid == 0:
            signal.pause()
        (workdir / "copy").write_text(str(pid))
        os.kill(os.getpid(), signal.SIGKILL)

    status, found = owner(options, act)
    copy = int((workdir / "copy").read_text())
    try:
        assert (-9, 3) == (status, len(found))
        assert [] == ended(found)
        assert os.path.exists(f"/proc/{copy}")
    finally:
        os.kill(copy, signal.SIGKILL)


@pytest.mark.parametrize("stopped", ["nursery", "init"])
def test_what_is_stopped_is_no_exception(options, stopped):
    """The kernel kills what cannot notice by itself that the owner has ended."""

    def act(box):
        os.kill(nursery_of(box) if stopped == "nursery" else box.pid, signal.SIGSTOP)
        os.kill(os.getpid(), signal.SIGKILL)

    status, found = owner(options, act)
    assert (-9, 3) == (status, len(found))
    assert [] == ended(found)


ENDS = {
    "is killed": (lambda _box: os.kill(os.getpid(), 9), -9),
    "exits": (lambda _box: os._exit(5), 5),
    "becomes another program": (lambda _box: os.execv("/bin/true", ["true"]), 0),
    "leaves the interpreter": (lambda _box: os.execv(sys.executable, [sys.executable, "-c", "pass"]), 0),
}


@pytest.mark.parametrize("end", ENDS)
def test_nothing_outlives_an_owner_that(options, end):
    """Neither zygote, nor nursery, nor the sandbox's first process."""
    act, code = ENDS[end]
    status, pids = owner(options, act)
    assert (code, 3) == (status, len(pids))
    assert [] == ended(pids)


@pytest.mark.parametrize("victim", ["zygote", "nursery"])
def test_the_machinery_is_killed(options, victim):
    """All sandboxes end with it, stopped ones too; whoever uses one is told, and a new zygote makes the next."""
    box, other = Sandbox(**options).start(), Sandbox(**options).start()
    process = box.popen(["sleep", "1000"])
    pids = [zygote_of(box), nursery_of(box), box.pid, other.pid]
    os.kill(other.pid, signal.SIGSTOP)
    os.kill(pids[0] if victim == "zygote" else pids[1], signal.SIGKILL)
    for use in (process.wait, lambda: box.run(["/bin/true"]), lambda: other.run(["/bin/true"])):
        with pytest.raises((SandboxGone, ZygoteError)):
            use()
    assert [] == ended(pids)
    process.close()
    box.close()
    other.close()
    with Sandbox(**options) as again:
        assert again.run(["/bin/true"]).ok
        assert pids[0] != zygote_of(again)


def test_a_planner_is_killed(options, monkeypatch):
    """What plans is a child of the zygote: its end is an error of the one sandbox, and a second try succeeds."""
    with Sandbox(**options) as box:
        zygote = zygote_of(box)
        known = children(zygote)
        outcome = []

        def launch():
            try:
                with Sandbox(env={"NEW": "plan"}, **options):
                    outcome.append("ok")
            except ZygoteError as error:
                outcome.append(error.code)
            except Exception as error:
                outcome.append(getattr(error, "code", repr(error)))

        for _ in range(20):
            thread = threading.Thread(target=launch)
            thread.start()
            while thread.is_alive() and not (planners := children(zygote) - known):
                pass
            for pid in planners:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            thread.join()
            if "planning.died" in outcome:
                break
        assert {"planning.died"} <= set(outcome) <= {"planning.died", "ok"}
        launch()
        assert "ok" == outcome[-1]
        assert box.run(["/bin/true"]).ok


def children(pid):
    """The children of a process."""
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return {int(word) for word in file.read().split()}


@pytest.mark.parametrize("who", ["zygote", "nursery", "init"])
def test_one_that_is_stopped_and_goes_on(options, who):
    """Nothing is lost, only late; and what is closed meanwhile ends."""
    with Sandbox(**options) as box:
        pid = {"zygote": zygote_of, "nursery": nursery_of, "init": lambda one: one.pid}[who](box)
        os.kill(pid, signal.SIGSTOP)
        timer = threading.Timer(0.3, os.kill, (pid, signal.SIGCONT))
        timer.start()
        try:
            assert "late\n" == box.run(["echo", "late"]).stdout
            with Sandbox(**options) as other:
                assert "also\n" == other.run(["echo", "also"]).stdout
        finally:
            timer.join()
    other_pid = None
    with Sandbox(**options) as box:
        other_pid = box.pid
        os.kill(other_pid, signal.SIGSTOP)
    assert [] == ended([other_pid])


def test_it_ends_when_a_stopped_one_is_closed(options):
    """A sandbox whose first process somebody stopped is closed like another, with what runs in it."""
    box = Sandbox(**options).start()
    process = box.popen(["sleep", "1000"])
    os.kill(box.pid, signal.SIGSTOP)
    pid = box.pid
    box.close()
    process.close()
    assert [] == ended([pid])


def test_a_zygote_may_be_ended(options):
    """Asked to, when the interpreter ends: it waits for its sandboxes, and nothing is left."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        box = Sandbox(**options).start()
        os.write(write, f"{zygote_of(box)} {box.pid}".encode())
        client._end_all()
        os._exit(0)
    os.close(write)
    with open(read, "rb") as told:
        pids = [int(word) for word in told.read().split()]
    assert 0 == os.waitpid(pid, 0)[1]
    assert [] == [one for one in pids if os.path.exists(f"/proc/{one}")]
