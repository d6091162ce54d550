"""The caller's terminal: keys that detach, what wakes the reader, and how it is left."""

from __future__ import annotations

import os
import pty
import signal
import sys
import termios
import threading

import pytest

from pyopenshell.cli import terminal
from pyopenshell.cli.sandbox_connect import Signals
from pyopenshell.cli.terminal import DETACH, Keys


@pytest.fixture
def typed():
    """Give the two ends of a pipe: what reads, what is typed into."""
    read, write = os.pipe()
    yield read, write
    for fd in (read, write):
        try:
            os.close(fd)
        except OSError:  # the test closed it
            pass


@pytest.mark.parametrize(
    ("pieces", "expected", "detached"),
    [
        ([b"ls\n", b""], [b"ls\n", b""], False),
        ([b"a" + DETACH + b"b"], [b"a"], True),
        ([b"a\x10", b"\x11"], [b"a"], True),
        ([b"\x10", b"\x10", b"\x11"], [b"\x10"], True),
        ([b"a\x10", b"b", b""], [b"a", b"\x10b", b""], False),
        ([b"\x10", b""], [b"\x10", b""], False),
        ([b"\x11\x10", b""], [b"\x11", b"\x10", b""], False),
    ],
)
def test_keys_that_detach(monkeypatch, typed, pieces, expected, detached):
    """Ctrl-P Ctrl-Q ends it, also in two pieces; what stands before is passed on, and a Ctrl-P alone is too."""
    rest = iter(pieces)
    keys = Keys(typed[0], detaching=True)
    monkeypatch.setattr(keys, "_wait", lambda _seconds: [typed[0]])
    monkeypatch.setattr(keys, "_read", lambda: next(rest))
    found = []
    for item in keys:
        found.append(item)
        if item == b"":
            keys.stop()
    assert (expected, detached) == (found, keys.detached)


def test_a_ctrl_p_is_not_held_for_ever(monkeypatch, typed):
    """Without a key behind it, it goes to the program after a moment: shells give it a meaning."""
    monkeypatch.setattr(terminal, "_PATIENCE", 0.01)
    os.write(typed[1], b"\x10")
    keys = Keys(typed[0], detaching=True)
    items = iter(keys)
    assert b"\x10" == next(items)


def test_without_detaching_all_passes(typed):
    """``exec`` gives its program every key."""
    os.write(typed[1], b"a" + DETACH)
    assert b"a" + DETACH == next(iter(Keys(typed[0])))


def test_what_is_told_wakes_the_reader(typed):
    """A new size comes through while nothing is typed; stop ends it; the end of the input comes once."""
    keys = Keys(typed[0])
    found: list[object] = []
    reader = threading.Thread(target=lambda: found.extend(keys))
    reader.start()
    keys.tell((80, 24))
    os.close(typed[1])
    while b"" not in found:
        os.sched_yield()
    keys.tell((100, 50))
    while (100, 50) not in found:
        os.sched_yield()
    keys.stop()
    reader.join(10)
    assert not reader.is_alive()
    assert {(80, 24), b"", (100, 50)} == set(found)


def test_no_input_is_an_input_that_has_ended():
    """Where standard input is closed, the program's is, too."""
    assert b"" == next(iter(Keys(None)))


def _under_a_terminal(body):
    """Run a function in a child with a terminal of its own; return how it ended, and the terminal's mode behind it."""
    master, slave = pty.openpty()
    child = os.fork()
    if child == 0:
        os.dup2(slave, 0)
        try:
            body()
        except terminal.Stopped as stopped:
            os._exit(128 + stopped.number)
        except BaseException:
            os._exit(99)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    mode = termios.tcgetattr(slave)
    os.close(master)
    os.close(slave)
    return os.waitstatus_to_exitcode(status), mode[3] & (termios.ICANON | termios.ECHO)


@pytest.mark.parametrize(
    ("way", "expected"), [("return", 0), ("raise", 99), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_the_terminal_is_left_as_it_was(way, expected):
    """Whatever ends it: the mode is put back, and a signal is an exit code."""

    def body():
        sizes = []
        with terminal.Raw(lambda: sizes.append(terminal.size())):
            if termios.tcgetattr(0)[3] & (termios.ICANON | termios.ECHO):
                os._exit(98)
            os.kill(os.getpid(), signal.SIGWINCH)
            if not sizes:
                os._exit(97)
            if way == "raise":
                raise ValueError
            if way != "return":
                os.kill(os.getpid(), way)

    assert (expected, termios.ICANON | termios.ECHO) == _under_a_terminal(body)


def test_a_pipe_that_nobody_reads():
    """It is an error, for the command to end with; a stream that is closed takes everything."""
    read, write = os.pipe()
    os.close(read)
    with pytest.raises(BrokenPipeError):
        terminal.write(write, b"x")
    os.close(write)
    terminal.write(write, b"x")


def test_a_pipe_that_does_not_block(typed):
    """Who shares a terminal may have made it so: all is written all the same."""
    os.set_blocking(typed[1], False)
    data = os.urandom(1 << 20)
    found = bytearray()

    def read():
        while len(found) < len(data):
            found.extend(os.read(typed[0], 1 << 16))

    reader = threading.Thread(target=read)
    reader.start()
    terminal.write(typed[1], data)
    reader.join(10)
    assert data == bytes(found)


def test_no_terminal_has_no_size(monkeypatch):
    """Then the program's window is left as it is."""
    assert not terminal.is_terminal() or sys.stdin.isatty()
    monkeypatch.setattr("fcntl.ioctl", _no_terminal)
    assert (0, 0) == terminal.size()


def _no_terminal(*_):
    raise OSError(25, "Inappropriate ioctl for device")


@pytest.mark.parametrize(("before", "expected"), [(signal.SIG_IGN, []), (signal.SIG_DFL, [signal.SIGHUP])])
def test_signals_that_are_passed_on(before, expected):
    """They reach the function, but for those that were ignored before, as under nohup; then all is as it was."""
    told: list[int] = []
    found = signal.signal(signal.SIGHUP, before)
    try:
        with Signals((signal.SIGHUP,), told.append):
            os.kill(os.getpid(), signal.SIGHUP)
        assert (expected, before) == (told, signal.getsignal(signal.SIGHUP))
    finally:
        signal.signal(signal.SIGHUP, found)
