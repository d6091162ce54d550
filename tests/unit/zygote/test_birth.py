"""What the zygote believes of a sandbox's first process: its word before anything runs beside it, then numbers."""

import _socket
import marshal
import os
import select
import signal
from typing import Any

import pytest

from pyopenshell.errors import LaunchError
from pyopenshell.launch import frames, wire
from pyopenshell.zygote.birth import Birth
from pyopenshell.zygote.loop import Loop
from tests.unit.zygote import plans


class Server:
    """Takes what a nursery would: descriptors, the first of which is init's end of the control socket."""

    def __init__(self):
        self.loop = Loop()
        self.unbounded = True
        self.places = False
        self.init = None

    def bear(self, _birth, _kind, _flags, descriptors):
        """Keep init's end."""
        self.init = _socket.socket(fileno=os.dup(descriptors[0]))


class Watcher:
    """Remembers what it is told."""

    def __init__(self):
        self.told = []

    def __getattr__(self, name):
        return lambda *values: self.told.append((name, *values))


@pytest.fixture
def scene(workdir):
    """A birth, the server, who watches it, and a process of ours in init's place."""
    planned = plans.planned(workdir)
    server: Any = Server()
    watcher: Any = Watcher()
    birth = Birth(server, watcher, planned.plan, marshal.dumps(planned.plan.as_plain()))
    pid = os.posix_spawn("/bin/sleep", ["sleep", "100"], {})
    yield birth, server, watcher, pid
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    birth.close()
    server.init.close()


def hear(server):
    """Let the zygote's loop go round until nothing is left to hear."""
    while server.loop._poll.poll(0):
        server.loop.later(0, lambda: setattr(server.loop, "stopped", True))
        server.loop.stopped = False
        server.loop.run()


def say(server, kind, payload=b"", descriptors=()):
    """Speak as init, and be heard."""
    server.init.sendmsg([wire.head(kind, len(payload), len(descriptors)) + payload], wire.rights(descriptors))
    hear(server)


def proved(scene):
    """Bring a birth to the point where init has told its receipt, which does not hold here."""
    birth, server, watcher, pid = scene
    birth.born(pid)
    say(server, wire.INIT_PID, pid.to_bytes(4, "little"))
    say(server, wire.RECEIPT, marshal.dumps({}))
    told, watcher.told = watcher.told, []
    return told


def test_its_plan_is_the_first_it_is_told(scene):
    """Before it is known by number; and it is waited for until it was looked at."""
    birth, server, _, pid = scene
    reader = frames.Reader(server.init)
    assert [wire.PLAN] == [kind for kind, _, _ in reader.take()]
    birth.born(pid)
    say(server, wire.INIT_PID, pid.to_bytes(4, "little"))
    assert [wire.SEEN] == [kind for kind, _, _ in reader.take()]
    assert pid == birth.init_pid


def test_a_receipt_that_does_not_hold_is_a_failure(scene):
    """What is seen here counts: the process is not the sandbox's identity."""
    ((name, proof),) = proved(scene)
    assert "proved" == name
    with pytest.raises(LaunchError) as error:
        proof.receipt(scene[0].plan)
    assert "receipt" == error.value.step


def test_a_failure_is_told_with_its_step(scene):
    """As init told it."""
    birth, server, watcher, pid = scene
    birth.born(pid)
    say(server, wire.FAILURE, marshal.dumps({"step": "mounts", "errno": 1, "message": "mount: no"}))
    ((name, error),) = watcher.told
    assert ("launch_failed", "mounts", 1) == (name, error.step, error.errno)


@pytest.mark.parametrize("kind", [wire.INIT_PID, wire.FAILURE, wire.RECEIPT])
def test_after_its_receipt_it_is_not_believed(scene, kind):
    """Programs run beside it: nothing is parsed, and no process is looked at, least of all killed, on its word."""
    birth, server, watcher, pid = scene
    proved(scene)
    say(server, kind, (1).to_bytes(4, "little") + b"\xff\xff")
    assert ([], pid) == (watcher.told, birth.init_pid)


def test_numbers_are_passed_on(scene):
    """With a terminal where one came before; a second one in between takes its place, and none is left open."""
    _, server, watcher, _ = scene
    proved(scene)
    before = len(os.listdir("/proc/self/fd"))
    read, write = os.pipe()
    say(server, wire.TERMINAL, b"", [read])
    say(server, wire.TERMINAL, b"", [write])
    payload = (1).to_bytes(4, "little") + (7).to_bytes(4, "little")
    say(server, wire.STARTED, payload)
    say(server, wire.EXITED, payload)
    ((_, kind, _, terminal), (_, *last)) = watcher.told
    assert (wire.STARTED, True) == (kind, terminal >= 0)
    assert [wire.EXITED, payload, -1] == last
    os.close(read)
    os.close(write)
    assert before == len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("frame", [(wire.TERMINAL, b""), (wire.STARTED, b"x"), (b"?", b"x" * 100), (wire.EXITED, b"")])
def test_nonsense_is_ignored(scene, frame):
    """A terminal without one, and frames that are no numbers."""
    _, server, watcher, _ = scene
    proved(scene)
    say(server, *frame)
    assert [] == watcher.told


def test_descriptors_that_nobody_wants_are_closed(scene):
    """Whatever they come with."""
    _, server, _, _ = scene
    proved(scene)
    before = len(os.listdir("/proc/self/fd"))
    for kind in (wire.STARTED, wire.RECEIPT, b"?"):
        say(server, kind, b"", [0, 1])
    assert before == len(os.listdir("/proc/self/fd"))


def test_ending_kills_it(scene):
    """At once where its number is known, as soon as it is otherwise; also where it has ended already."""
    birth, server, _, pid = scene
    birth.end()
    birth.end()
    birth.born(pid)
    end = os.pidfd_open(pid)
    direct = birth._is_direct
    ended = select.select([end], [], [], 20 if direct else 0)[0]
    os.close(end)
    assert direct == bool(ended)
    if not direct:
        assert -1 == birth.control.fileno()
    server.loop.forget(birth.control.fileno())


def test_one_that_ended_already_is_no_defect(workdir):
    """Its nursery has waited for it, and is about to say so."""
    planned = plans.planned(workdir)
    server: Any = Server()
    watcher: Any = Watcher()
    birth = Birth(server, watcher, planned.plan, b"")
    pid = os.posix_spawn("/bin/true", ["true"], {})
    os.waitpid(pid, 0)
    birth.born(pid)
    birth.end()
    birth.died(9, [])
    assert ["ended"] == [name for name, *_ in watcher.told]
    server.init.close()


def test_a_fork_that_failed_is_told(scene):
    """With the kernel's words; nothing of it is left open."""
    birth, _, watcher, _ = scene
    birth.born(-11)
    assert [("ended", f"fork: {os.strerror(11)}")] == watcher.told
    assert -1 == birth.control.fileno()
