"""The caller's terminal while a program far away has it: raw, as large as it is, and as it was on every way out."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import struct
import termios
import tty
from typing import TYPE_CHECKING, Self

from pyopenshell.errors import OpenShellError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType
    from typing import Any

DETACH = b"\x10\x11"
"""Ctrl-P Ctrl-Q."""
_PATIENCE = 0.5
"""Seconds a Ctrl-P is held back for the Ctrl-Q that may follow; then it goes to the program."""
_CHUNK = 1 << 16
_ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class Stopped(BaseException):
    """A signal is to end this process; whoever has something to put back does so on the way."""

    def __init__(self, number: int) -> None:
        """Keep the signal's number."""
        super().__init__(number)
        self.number = number


def is_terminal() -> bool:
    """Return whether standard input and standard output both are a terminal."""
    return all(os.isatty(fd) for fd in (0, 1) if _is_open(fd)) and _is_open(0) and _is_open(1)


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def size() -> tuple[int, int]:
    """Return the terminal's columns and rows; 0 and 0 where there is none."""
    for fd in (1, 0, 2):
        try:
            rows, columns, _, _ = struct.unpack("HHHH", fcntl.ioctl(fd, termios.TIOCGWINSZ, bytes(8)))
        except OSError:
            continue
        return columns, rows
    return 0, 0


class Raw:
    """The terminal of standard input in raw mode, while the context lasts.

    Signals that end this process become ``Stopped``, so that the way out leads through here; after a stop from outside
    (SIGSTOP, SIGCONT) the mode is set again.
    """

    def __init__(self, resized: Callable[[], None]) -> None:
        """Call ``resized`` whenever the window may have another size."""
        self._resized = resized
        self._before: list[Any] = []
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> Self:
        """Switch."""
        self._before = termios.tcgetattr(0)
        for number in _ENDING:
            self._handle(number, _stop)
        self._handle(signal.SIGWINCH, lambda _number, _frame: self._resized())
        self._handle(signal.SIGCONT, self._again)
        tty.setraw(0, termios.TCSADRAIN)
        return self

    def __exit__(self, *_: object) -> None:
        """Switch back, and forget what was typed for the program that is gone."""
        try:
            termios.tcsetattr(0, termios.TCSAFLUSH, self._before)
        except termios.error:
            pass  # the terminal itself is gone
        for number, before in self._handlers.items():
            signal.signal(number, before)

    def _handle(self, number: int, handler: Any) -> None:
        self._handlers[number] = signal.signal(number, handler)

    def _again(self, _number: int, _frame: FrameType | None) -> None:
        try:
            tty.setraw(0, termios.TCSADRAIN)
        except termios.error:
            pass
        self._resized()


def _stop(number: int, _frame: FrameType | None) -> None:
    raise Stopped(number)


class Keys:
    """What goes to the program: standard input, and what this process tells it. Iterating blocks; one thread does it.

    Items are bytes, ``b""`` once for the end of the input, and whatever ``tell`` was given, which wakes the reader.
    The iteration ends after ``stop``, or, where ``detaching``, at Ctrl-P Ctrl-Q, and then ``detached`` is set.
    """

    def __init__(self, fd: int | None, *, detaching: bool = False) -> None:
        """Read from ``fd``; None is an input that has ended."""
        self._fd = fd
        self._detaching = detaching
        self._told: list[Any] = []
        self._ready, self._bell = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._stopped = False
        self.detached = False

    def tell(self, what: Any) -> None:
        """Have ``what`` be the next item. Safe in a signal handler."""
        self._told.append(what)
        self._ring()

    def stop(self) -> None:
        """End the iteration."""
        self._stopped = True
        self._ring()

    def _ring(self) -> None:
        try:
            os.write(self._bell, b"!")
        except OSError:
            pass  # it rings already, or nobody listens any more

    def __iter__(self) -> Iterator[Any]:
        """Yield items until ``stop``."""
        held = b""
        if self._fd is None:
            yield b""
        while not self._stopped:
            readable = self._wait(_PATIENCE if held else None)
            while self._told:
                yield self._told.pop(0)
            if self._fd in readable:
                data = self._read()
                send, held = self._typed(held + data) if data else (held, b"")
            else:
                send, held = (b"", held) if readable else (held, b"")
            if send:
                yield send
            if self.detached:
                return
            if self._fd in readable and not data:
                self._fd = None
                yield b""

    def _wait(self, seconds: float | None) -> list[int]:
        poll = select.poll()
        for fd in (self._ready, self._fd):
            if fd is not None:
                poll.register(fd, select.POLLIN)
        found = [fd for fd, _ in poll.poll(None if seconds is None else seconds * 1000)]
        if self._ready in found:
            os.read(self._ready, _CHUNK)
        return found

    def _read(self) -> bytes:
        try:
            return os.read(self._fd or 0, _CHUNK)
        except OSError:  # the terminal is gone, or not ours any more
            return b""

    def _typed(self, data: bytes) -> tuple[bytes, bytes]:
        """Return what is to be sent now and what is held back, and see to the keys that detach."""
        if not self._detaching:
            return data, b""
        before, keys, _ = data.partition(DETACH)
        if keys:
            self.detached = True
            return before, b""
        return (data[:-1], data[-1:]) if data.endswith(DETACH[:1]) else (data, b"")


def write(fd: int, data: bytes) -> None:
    """Write all of ``data``. Raises BrokenPipeError, and OpenShellError for a full disk; a closed stream takes all."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:
            select.select([], [fd], [])
        except OSError as error:
            if isinstance(error, BrokenPipeError):
                raise
            if error.errno != 9:  # EBADF: closed by the caller
                stream = "standard error" if fd == 2 else "standard output"
                raise OpenShellError(f"cannot write to {stream}: {error.strerror}", code="system") from error
            return
