"""What waits for everything: handlers, things to be done later, and whose defect ends whom."""

import os

import pytest

from pyopenshell.zygote.loop import Loop


@pytest.fixture
def loop():
    """A loop that stops by itself where a test would hang."""
    made = Loop()
    made.later(20, lambda: setattr(made, "stopped", True))
    return made


@pytest.fixture
def pipe():
    """Both ends of a pipe."""
    ends = os.pipe()
    yield ends
    for fd in ends:
        try:
            os.close(fd)
        except OSError:
            pass


def test_what_is_later_comes_in_order(loop):
    """By when it is to be done, not by when it was asked for; stopping stops."""
    done = []
    loop.later(0.02, lambda: done.append("c"))
    loop.later(0.02, lambda: setattr(loop, "stopped", True))
    loop.later(0, lambda: done.append("a"))
    loop.later(0.01, lambda: done.append("b"))
    loop.later(0.03, lambda: done.append("never"))
    loop.run()
    assert ["a", "b", "c"] == done


def test_a_handler_is_called_when_there_is_something(loop, pipe):
    """And not any more once it is forgotten; forgetting twice is nothing."""
    read, write = pipe
    calls = []

    def ready():
        calls.append(os.read(read, 1))
        if len(calls) == 2:
            loop.forget(read)
            loop.forget(read)
            loop.later(0.01, lambda: setattr(loop, "stopped", True))

    loop.watch(read, ready)
    os.write(write, b"xyz")
    loop.run()
    assert [b"x", b"y"] == calls


def test_the_end_is_something_too(loop, pipe):
    """A handler hears of it."""
    read, write = pipe
    loop.watch(read, lambda: setattr(loop, "stopped", os.read(read, 1) == b""))
    os.close(write)
    loop.run()


def test_room_is_told_to_who_wants_it(loop, pipe):
    """Only as long as it is wanted."""
    write = pipe[1]
    calls = []

    def ready():
        calls.append(True)
        if len(calls) == 3:
            loop.want_room(write, wanted=False)
            loop.later(0.01, lambda: setattr(loop, "stopped", True))

    loop.watch(write, ready)
    loop.want_room(write, wanted=True)
    loop.run()
    assert 3 == len(calls)


class Owner:
    """Somebody who has a handler with a defect."""

    def __init__(self):
        self.error = None

    def handler(self):
        raise ZeroDivisionError

    def broke(self, error):
        """Take note."""
        self.error = error


def test_a_defect_ends_its_owner_only(loop, pipe):
    """Who owns the handler is told, and others are served."""
    read, write = pipe
    other = os.dup(write)
    owner = Owner()
    served = []

    def ready():
        served.append(owner.error is not None)
        loop.stopped = served[-1]

    loop.watch(read, owner.handler)
    loop.watch(other, ready)
    loop.want_room(other, wanted=True)
    os.write(write, b"x")
    loop.run()
    os.close(other)
    assert isinstance(owner.error, ZeroDivisionError)
    assert served[-1]


def test_a_defect_of_nobody_is_not_hidden(loop, pipe):
    """It ends the loop."""
    read, write = pipe
    loop.watch(read, lambda: 1 // 0)
    os.write(write, b"x")
    with pytest.raises(ZeroDivisionError):
        loop.run()
