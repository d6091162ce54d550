"""One command in a sandbox: its own socket, and this side's ends of its streams. Nothing here waits."""

from __future__ import annotations

import _socket
import marshal
import os
import threading

from pyopenshell.errors import SandboxGone
from pyopenshell.sandbox import request, streams
from pyopenshell.zygote import client, failure, own_ends, protocol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, Any

    from pyopenshell.errors import OpenShellError

    Redirect = int | IO[Any] | None

PIPE = -1
STDOUT = -2
DEVNULL = -3
"""As in ``subprocess``, whose constants may be used as well."""


class Command:
    """A command, from before it is asked for until nothing more comes from it.

    ``pid`` is its process id inside, once it runs; ``status`` its wait status, once it ended; ``failure`` why it did
    not start. ``streams`` are this side's descriptors of stdin, stdout and stderr (-1: none), ``master`` that of its
    terminal.
    """

    def __init__(self, asked: dict[str, Any], stdin: Redirect, stdout: Redirect, stderr: Redirect) -> None:
        """Say what is wanted; nothing is opened yet, so that whoever closes it may be interrupted at any time."""
        self._wanted = (stdin, stdout, stderr)
        self.socket = own_ends.no_socket()
        self._reader = protocol.Reader(self.socket)
        self.asked = asked
        self.streams = [-1, -1, -1]
        self.master = -1
        self.files: list[IO[bytes]] = []
        """Files that were made of ``streams``, which they then own."""
        self.pid: int | None = None
        self.status: int | None = None
        self.failure: OpenShellError | None = None
        self.theirs: list[int] = []
        """What is sent along: the other end of the socket, and of the streams."""
        self._opened: list[int] = []
        self._lock = threading.RLock()

    def open(self) -> None:
        """Make the sockets and pipes. Raises OpenShellError where there are too many, UsageError."""
        try:
            # What is made is where a fork finds it before there can be one.
            with client.lock:
                client.held.add(self)
                self.socket, their_socket = own_ends.pair(_socket.SOCK_STREAM)
                self._reader = protocol.Reader(self.socket)
                self._opened.append(their_socket.detach())
                self.theirs.append(self._opened[0])
                if self.asked["terminal"] is None:
                    self._open(*self._wanted)
        except OSError as error:
            self.close()
            raise request.starved(error) from error
        except BaseException:
            self.close()
            raise

    @property
    def over(self) -> bool:
        """Whether nothing more comes."""
        return self.status is not None or self.failure is not None or self._reader.ended

    @property
    def begun(self) -> bool:
        """Whether it runs, and its terminal is there where it has one."""
        return self.pid is not None and (self.asked["terminal"] is None or self.master >= 0)

    @property
    def lost(self) -> bool:
        """Whether it is over because its sandbox is gone."""
        return self.over and self.status is None and (self.failure is None or isinstance(self.failure, SandboxGone))

    def sent(self) -> None:
        """Close the command's ends: they are on their way."""
        with client.lock:
            self._close_opened()

    def take(self) -> None:
        """Take in what was told by now."""
        with self._lock:
            if self.over or self.socket.fileno() < 0:
                return
            with client.lock:  # what comes may be a standard stream's for a moment
                frames = [
                    (kind, payload, [own_ends.placed(fd) for fd in fds]) for kind, payload, fds in self._reader.take()
                ]
            for kind, payload, descriptors in frames:
                told: Any = marshal.loads(payload) if payload else None  # noqa: S302 - from the zygote, which is ours
                if kind == protocol.BEGUN:
                    self.pid = told["pid"]
                elif kind == protocol.EXITED:
                    self.status = told["status"]
                elif kind == protocol.FAILED:
                    self.failure = failure.unpack(told)
                elif kind == protocol.TERMINAL:
                    self.master = descriptors[0]

    def signal(self, number: int) -> None:
        """Send a signal to its process group, unless it has ended."""
        try:
            protocol.send(self.socket, protocol.SIGNAL, number)
        except OSError:  # it has ended, and the other end is closed
            pass

    def cancel(self) -> None:
        """Have it killed, with all that it started; that is done when it is ``over``."""
        self.sent()  # where it was not sent, nobody is left who could answer
        try:
            self.socket.shutdown(_socket.SHUT_WR)
        except OSError:  # it has ended, and the other end is closed
            pass

    def close_stream(self, fd: int) -> None:
        """Close one of ``streams``: its input then ends, its output is not wanted any more."""
        with client.lock:
            self.streams[self.streams.index(fd)] = -1
            os.close(fd)

    def close(self) -> None:
        """Close everything. A command that still runs is killed."""
        with client.lock:
            if self not in client.held:
                return
            self._close()
            client.held.discard(self)

    def descriptors(self) -> tuple[int, ...]:
        """Return those that are nobody else's to use."""
        return self.socket.fileno(), self.master, *self.streams, *self._opened

    def forget(self) -> None:
        """Close a forked child's copies, and take no notice of what other threads were about to do."""
        self._lock = threading.RLock()
        for file in self.files:
            raw = getattr(file, "raw", file)
            raw.close()  # not the buffer's: what is in it is the parent's to write
        self._close()

    def _close(self) -> None:
        self.socket.close()
        # Forgotten first, then closed: whatever interrupts this, no number is closed twice, when it is another's.
        self._opened += [fd for fd in (*self.streams, self.master) if fd >= 0]
        self.streams, self.master = [-1, -1, -1], -1
        self._close_opened()
        self._reader.close()

    def _close_opened(self) -> None:
        while self._opened:
            os.close(self._opened.pop())

    def _open(self, stdin: Redirect, stdout: Redirect, stderr: Redirect) -> None:
        self.theirs.append(self._end(0, stdin) if stdin in (None, PIPE, DEVNULL) else streams.given(stdin, 0))
        self.theirs.append(self._end(1, stdout) if stdout in (PIPE, DEVNULL) else self._given(stdout, 1))
        if stderr == STDOUT:
            self.theirs.append(self.theirs[2])
        else:
            self.theirs.append(self._end(2, stderr) if stderr in (PIPE, DEVNULL) else self._given(stderr, 2))

    def _end(self, number: int, what: Redirect) -> int:
        """Return the command's end of a pipe, or nothing to read or write; to be closed when it is sent."""
        if what != PIPE:
            self._opened.append(own_ends.placed(os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)))
            return self._opened[-1]
        read, write = streams.pipe()
        theirs, self.streams[number] = (read, write) if number == 0 else (write, read)
        self._opened.append(theirs)
        return theirs

    def _given(self, what: Redirect, number: int) -> int:
        if what is None and not own_ends.is_open(number):
            return self._end(number, DEVNULL)
        fd = streams.given(what, number)
        if os.isatty(fd):
            fd = streams.write_only(fd)
        elif what is None and (appending := streams.append_only(fd)) is not None:
            fd = appending
        else:
            return fd
        self._opened.append(fd)
        return fd
