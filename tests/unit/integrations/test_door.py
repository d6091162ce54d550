"""The socket to a program of ours: frames both ways, its end noticed, and nothing of it believed."""

import os
import pickle
import sys
import textwrap
import time

import pytest

from pyopenshell.integrations import door as doors
from pyopenshell.integrations import values
from tests.unit.integrations.local import box


@pytest.fixture
def program(monkeypatch):
    """Open a door to a program whose ``serve(door)`` has this body."""
    opened = []

    def start(body):
        text = f"import os, socket, sys, time\ndef serve(door):\n{textwrap.indent(textwrap.dedent(body), '    ')}"
        begin = b"\n\nif __name__ == '__main__':\n    serve(door)\n"
        monkeypatch.setattr(doors, "_source", lambda name: text.encode() + begin)
        opened.append(doors.Door(box(), sys.executable, "test"))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


def soon():
    return time.monotonic() + 20


def test_the_worker_makes_calls():
    """The real program: told how to begin, given a pickled call, it answers with a plain value."""
    door = doors.Door(box(), sys.executable, "worker")
    try:
        door.send(pickle.dumps({"path": sys.path, "main": None, "limit": 1000, "initializer": None}))
        door.send(pickle.dumps((divmod, (7, 2), {})))
        assert ("value", (3, 1)) == values.decode(door.receive(1 << 20, soon()), 1 << 20)
    finally:
        door.close()


def test_an_end_is_noticed(program):
    """A program that exits is told of with its exit status, one that was killed with the signal."""
    door = program("os._exit(3)")
    with pytest.raises(doors.DoorClosed, match="ended with exit status 3") as caught:
        door.receive(100, soon())
    assert 3 == caught.value.returncode
    door = program("os.kill(os.getpid(), 11)")
    with pytest.raises(doors.DoorClosed, match="was ended by SIGSEGV"):
        door.receive(100, soon())


def test_an_end_is_noticed_when_the_socket_stays_open(program):
    """What a program leaves behind holds the socket; that does not hide the end of the program itself."""
    door = program(
        """
        if os.fork() == 0:
            os.setsid()
            time.sleep(20)
        os._exit(4)
        """
    )
    with pytest.raises(doors.DoorClosed, match="exit status 4"):
        door.receive(100, soon())


def test_what_was_sent_before_the_end_is_read(program):
    """The last frame of a program that then exits is not lost."""
    door = program("door.sendall((5).to_bytes(8, 'little') + b'hello')")
    door.process.wait()
    assert b"hello" == door.receive(100, soon())


def test_a_program_that_only_closes_is_killed(program):
    """It might go on for ever, and nobody would hear of it."""
    door = program("door.close(); time.sleep(60)")
    with pytest.raises(doors.DoorClosed, match="SIGKILL"):
        door.receive(100, soon())


@pytest.mark.parametrize("size", [101, 1 << 62, (1 << 64) - 1])
def test_a_frame_is_bounded(program, size):
    """A length beyond the limit is refused, and nothing is made of that size."""
    door = program(f"door.sendall(({size}).to_bytes(8, 'little')); time.sleep(60)")
    with pytest.raises(doors.DoorRefused, match="and 100 are allowed"):
        door.receive(100, soon())


def test_waiting_is_bounded_both_ways(program):
    """A program that neither answers nor reads is waited for until the deadline."""
    door = program("time.sleep(60)")
    with pytest.raises(doors.DoorTimeout):
        door.receive(100, time.monotonic() + 0.1)
    with pytest.raises(doors.DoorTimeout):
        door.send(bytes(8 << 20), time.monotonic() + 0.1)


def test_a_passed_socket_is_taken(program):
    """A connected Unix socket that is passed can be used."""
    door = program(
        """
        one, other = socket.socketpair()
        kept = socket.socket(fileno=os.dup(0))
        kept.recv(1)
        socket.send_fds(kept, [b"+"], [one.fileno()])
        other.sendall(b"hello")
        kept.recv(1)
        """
    )
    with door.ask_socket(b"\1", soon()) as passed:
        assert b"hello" == passed.recv(5)


@pytest.mark.parametrize(
    "made", ["os.open('/dev/zero', os.O_RDWR)", "socket.socket().detach()", "socket.socketpair(type=2)[0].detach()"]
)
def test_anything_else_that_is_passed_is_refused_and_closed(program, made):
    """A file, a TCP socket and a datagram socket are not what was asked for; no descriptor is left of them."""
    door = program(
        f"""
        kept = socket.socket(fileno=os.dup(0))
        kept.recv(1)
        socket.send_fds(kept, [b"+"], [{made}])
        kept.recv(1)
        """
    )
    before = sorted(os.listdir("/proc/self/fd"))
    with pytest.raises(doors.DoorRefused, match="no Unix socket"):
        door.ask_socket(b"\1", soon())
    assert before == sorted(os.listdir("/proc/self/fd"))


def test_descriptors_that_nobody_asked_for_are_dropped(program):
    """A program that passes descriptors beside its frames gives us none."""
    door = program(
        """
        kept = socket.socket(fileno=os.dup(0))
        socket.send_fds(kept, [(1).to_bytes(8, "little") + b"x"], [1, 1, 1])
        kept.recv(1)
        """
    )
    before = len(os.listdir("/proc/self/fd"))
    assert b"x" == door.receive(100, soon())
    assert before == len(os.listdir("/proc/self/fd"))


def test_nothing_is_left_when_it_cannot_start():
    """Where the program does not start, both ends of the socket are closed."""
    before = sorted(os.listdir("/proc/self/fd"))
    with pytest.raises(FileNotFoundError):
        doors.Door(box(), "/nonexistent/python", "worker")
    assert before == sorted(os.listdir("/proc/self/fd"))
