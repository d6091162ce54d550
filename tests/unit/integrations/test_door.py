"""The way to a program of ours, and back: frames both ways, its end noticed, and nothing of it believed."""

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
    """Open a door to a program whose ``serve(door, answers)`` has this body."""
    opened = []

    def start(body):
        text = (
            f"import os, socket, sys, time\ndef serve(door, answers):\n{textwrap.indent(textwrap.dedent(body), '    ')}"
        )
        begin = b"\n\nif __name__ == '__main__':\n    serve(door, answers)\n"
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


def test_an_end_is_noticed_when_the_pipe_stays_open(program):
    """What a program leaves behind holds the pipe; that does not hide the end of the program itself."""
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
    door = program("os.write(answers, (5).to_bytes(8, 'little') + b'hello')")
    door.process.wait()
    assert b"hello" == door.receive(100, soon())


def test_a_program_that_only_closes_is_killed(program):
    """It might go on for ever, and nobody would hear of it."""
    door = program("os.close(answers); time.sleep(60)")
    with pytest.raises(doors.DoorClosed, match="SIGKILL"):
        door.receive(100, soon())


@pytest.mark.parametrize("size", [101, 1 << 62, (1 << 64) - 1])
def test_a_frame_is_bounded(program, size):
    """A length beyond the limit is refused, and nothing is made of that size."""
    door = program(f"os.write(answers, ({size}).to_bytes(8, 'little')); time.sleep(60)")
    with pytest.raises(doors.DoorRefused, match="and 100 are allowed"):
        door.receive(100, soon())


def test_waiting_is_bounded_both_ways(program):
    """A program that neither answers nor reads is waited for until the deadline."""
    door = program("time.sleep(60)")
    with pytest.raises(doors.DoorTimeout):
        door.receive(100, time.monotonic() + 0.1)
    with pytest.raises(doors.DoorTimeout):
        door.send(bytes(8 << 20), time.monotonic() + 0.1)


def test_a_program_cannot_pass_us_descriptors(program):
    """Closing one could take as long as its maker liked: every socket that it has of us is shut in that direction."""
    door = program(
        """
        said = []
        for fd in range(10):
            try:
                found = socket.socket(fileno=os.dup(fd))
            except OSError:
                continue
            try:
                socket.send_fds(found, [b"x"], [1])
                said.append("passed")
            except OSError as error:
                said.append(type(error).__name__)
        data = " ".join({*said}).encode()
        os.write(answers, len(data).to_bytes(8, "little") + data)
        """
    )
    assert b"BrokenPipeError" == door.receive(100, soon())


def test_descriptors_are_handed_in(program):
    """A pipe that is handed in with a byte can be written there, and read here."""
    door = program(
        """
        word, pipes, _, _ = socket.recv_fds(socket.socket(fileno=os.dup(0)), 1, 1)
        os.write(pipes[0], word + b" hello")
        """
    )
    end, theirs = os.pipe()
    door.hand_in(b"1", [theirs])
    os.close(theirs)
    with open(end, "rb") as file:
        assert b"1 hello" == file.read()


def test_nothing_is_left_when_it_cannot_start():
    """Where the program does not start, both ends of the socket and of the pipe are closed."""
    before = sorted(os.listdir("/proc/self/fd"))
    with pytest.raises(FileNotFoundError):
        doors.Door(box(), "/nonexistent/python", "worker")
    assert before == sorted(os.listdir("/proc/self/fd"))
