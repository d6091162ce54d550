"""Ending one program of many, in a pid namespace of the test's own: who goes, who stays, and how."""

import os
import signal

import pytest
from tests.confined.landlock import harness

from pyopenshell.kernel import clone
from pyopenshell.kernel import namespaces as ns
from pyopenshell.launch import sessions_end

APART = ns.CLONE_NEWPID | ns.CLONE_NEWNS | (0 if os.geteuid() == 0 else ns.CLONE_NEWUSER)


def as_init(action):
    """Do something as the first process of a pid namespace with its own procfs; return what comes of it."""

    def child():
        read, write = os.pipe()
        pid = clone.fork(APART)
        if pid == 0:
            try:
                ns.mount(None, "/", None, ns.MS_REC | ns.MS_PRIVATE)
                ns.mount("proc", "/proc", "proc", ns.MS_NOSUID)
                os.write(write, repr(action()).encode())
            finally:
                os._exit(0)
        os.close(write)
        with open(read, "rb") as told:
            return told.read().decode()

    if harness.in_child(lambda: harness.errno_of(lambda: ns.unshare(APART))):
        pytest.skip("needs: namespaces")
    return harness.in_child(child)


def start(script):
    """Start a program in a session of its own."""
    return os.posix_spawn("/bin/sh", ["sh", "-c", script], {"PATH": "/bin:/usr/bin"}, setsid=True)


def reap():
    """Wait for what has ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def state(pid):
    """A process's state, as procfs has it."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        return file.read().rpartition(")")[2].split()[0]


def stopped(pid):
    """Stop a process, and wait until it is."""
    os.kill(pid, signal.SIGSTOP)
    os.waitpid(pid, os.WUNTRACED)
    return pid


@pytest.mark.parametrize("hold", [-1.0, 1000.0], ids=["held", "not held"])
def test_only_what_belongs_to_it_goes(monkeypatch, hold):
    """Others run on, also where all were held meanwhile at one stroke; who was stopped before is not woken."""
    monkeypatch.setattr(sessions_end, "HOLD", hold)

    def action():
        sent = []
        plain = sessions_end.signal

        def signal_too(pid, number):
            sent.append((pid, number))
            plain(pid, number)

        monkeypatch.setattr(sessions_end, "signal", signal_too)
        resting, other = stopped(start("exec sleep 1000")), start("exec sleep 1000")
        victim = start("setsid sleep 1000 & sleep 1000 & exec sleep 1000")
        while len([name for name in os.listdir("/proc") if name.isdigit()]) < 6:
            pass
        session = sessions_end.Session(1, victim, alone=True)
        others = {2: sessions_end.Session(2, other, alone=False)}
        done = sessions_end.everything(session, {1: session, **others}, reap, can_hold=True)
        reap()
        left = sorted(int(name) for name in os.listdir("/proc") if name.isdigit())
        return (
            done,
            left == sorted((1, resting, other)),
            hold < 0 or state(resting) == "T",  # held at once, nobody was looked at before
            state(other) in "RS",
            (-1, signal.SIGSTOP) in sent,
        )

    assert repr((True, True, True, True, hold < 0)) == as_init(action)


def test_it_gives_up(monkeypatch):
    """Where nothing may be held, and what is to be ended does not come to its end in time."""
    monkeypatch.setattr(sessions_end, "PATIENCE", -1.0)

    def action():
        session = sessions_end.Session(1, start("exec sleep 1000"), alone=True)
        return sessions_end.everything(session, {1: session}, reap, can_hold=False)

    assert "False" == as_init(action)


def test_one_that_has_gone_is_no_trouble():
    """Its number is nobody's."""

    def action():
        pid = start("exit")
        os.waitpid(pid, 0)
        session = sessions_end.Session(1, pid, alone=True)
        sessions_end.signal_group(pid, signal.SIGTERM)
        return session.age, sessions_end.everything(session, {1: session}, reap, can_hold=True)

    assert repr(((0, 0), True)) == as_init(action)
