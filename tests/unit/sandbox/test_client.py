"""Starting the zygote, and what is said where that cannot be done."""

import os
import signal
import socket
import sys

import pytest

from pyopenshell import Sandbox, SandboxGone, ZygoteError
from pyopenshell.zygote import client, rights, started

SERVE = """\
for connection in connections():
    protocol.send(connection, protocol.READY, {**READY, "name": NAME})
    for kind, payload, descriptors in frames(connection):
        if kind == protocol.CLOSE:
            protocol.send(connection, protocol.ENDED, {"lost": None, "troubles": [], "survivors": []})
            break
    connection.close()
"""
"""A zygote that serves one connection after the other. What it sees of itself is the sandbox's name."""


def seen(zygote, expression):
    """What a zygote finds out about itself."""
    zygote(SERVE.replace("NAME", expression))
    with Sandbox() as box:
        return box.name


def test_it_is_a_process_apart(zygote, monkeypatch):
    """A session of its own, no signal blocked or ignored, nowhere to print."""
    monkeypatch.setattr(socket, "socket", None)  # what a program does to its modules is not its zygote's affair
    handled = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
    try:
        told = seen(
            zygote,
            """repr((os.getsid(0) == os.getpid(), sorted({os.readlink(f"/proc/self/fd/{fd}") for fd in (0, 1, 2)}),
                [line for line in open("/proc/self/status") if line.startswith(("SigBlk", "SigIgn"))],
                int(sys.argv[1])))""",
        )
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR2})
        signal.signal(signal.SIGUSR1, handled)
    leads, streams, masks, owner = eval(told)
    assert (True, ["/dev/null"], os.getpid()) == (leads, streams, owner)
    assert "0000000000000000" == masks[0].split()[1]
    assert 0 == int(masks[1].split()[1], 16) & 1 << (signal.SIGUSR1 - 1)


def test_it_has_none_of_the_variables(zygote, monkeypatch):
    """What is in a process's memory is in that of those it forks: secrets come with requests, not before."""
    monkeypatch.setenv("A_SECRET", "x")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/lib")
    names = eval(seen(zygote, "repr(sorted(os.environ))"))
    assert "LD_LIBRARY_PATH" in names
    assert set(names) <= {*started.PASSED, "LC_CTYPE"}


def test_one_serves_all_sandboxes(zygote):
    """It is started once."""
    zygote(SERVE.replace("NAME", "str(os.getpid())"))
    pids = set()
    for _ in range(3):
        with Sandbox() as box:
            pids.add(box.name)
    assert 1 == len(pids)


def test_one_that_was_killed_is_replaced(zygote):
    """The next sandbox is served by another; the dead one is no zombie."""
    zygote(SERVE.replace("NAME", "str(os.getpid())"))
    with Sandbox() as box:
        pid = int(box.name)
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    with Sandbox() as box:
        assert str(pid) != box.name
    with pytest.raises(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def test_a_sandbox_says_how_its_zygote_died(zygote):
    """And nobody waits for an answer that cannot come."""
    zygote(SERVE.replace("NAME", "str(os.getpid())"))
    box = Sandbox().start()
    os.kill(int(box.name), signal.SIGKILL)
    with pytest.raises(SandboxGone, match="was killed by signal 9"):
        box.run(["true"])
    box.close()


@pytest.mark.parametrize("program", ["os._exit(3)", "next(connections()); os._exit(3)", "raise RuntimeError"])
def test_one_that_ends_at_once_is_an_error(zygote, program):
    """Before it serves, or while it does; its exit code is told, 1 for a traceback."""
    zygote(program)
    with pytest.raises(ZygoteError, match=r"ended with exit code [13]") as failed:
        Sandbox().start()
    assert "OPENSHELL_DEBUG" in str(failed.value.hint)


@pytest.mark.parametrize("executable", ["", "/does/not/exist", "/etc/passwd"])
def test_without_an_interpreter_there_is_none(zygote, monkeypatch, executable):
    """As in a program that embeds Python; what to do is said."""
    zygote(SERVE)
    monkeypatch.setattr(sys, "executable", executable)
    with pytest.raises(ZygoteError) as failed:
        Sandbox().start()
    assert "sys.executable" in str(failed.value.hint)


def test_a_default_timeout_for_sockets_is_not_ours(zygote):
    """A program may have set one: our sockets wait as long as it takes."""
    zygote(SERVE.replace("NAME", "select.select([], [], [], 0.3) and 'late'"))
    socket.setdefaulttimeout(0.05)
    try:
        with Sandbox() as box:
            assert "fake" != box.name
    finally:
        socket.setdefaulttimeout(None)


def test_another_identity_has_its_own(zygote, monkeypatch):
    """What this process gave up, its sandboxes do not get; the other zygote ends with its last sandbox.

    Until then its door is shut: nobody can have it make one more, whoever this process may be taken over by.
    """
    zygote(SERVE.replace("NAME", "str(os.getpid())"))
    identity = rights.identity()
    box = Sandbox().start()
    (old,) = client._zygotes.values()
    monkeypatch.setattr(rights, "identity", lambda: (*identity, 4242))
    with Sandbox() as other:
        assert box.name != other.name
        assert [old] == client._retired
        with pytest.raises(OSError, match="Bad file descriptor"):
            old.connect(next(iter(old.users)), b"")
        assert box.is_open
    pid = int(box.name)
    assert os.path.exists(f"/proc/{pid}")
    box.close()
    assert [(*identity, 4242)] == list(client._zygotes)
    assert [] == client._retired
    assert not os.path.exists(f"/proc/{pid}")


def test_one_that_cannot_be_looked_at_any_more_is_replaced(zygote, monkeypatch):
    """That is how a Landlock domain is noticed. One that never could be is used: that tells nothing."""
    zygote(SERVE.replace("NAME", "str(os.getpid())"))

    def pid():
        with Sandbox() as box:
            return int(box.name)

    monkeypatch.setattr(rights, "can_see", lambda pid: False)
    unseen = pid()
    assert unseen == pid()
    client._retire()
    monkeypatch.setattr(rights, "can_see", lambda pid: True)
    seen = pid()
    assert seen == pid()
    monkeypatch.setattr(rights, "can_see", lambda pid: pid != seen)
    assert pid() not in (unseen, seen)
