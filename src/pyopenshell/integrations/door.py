"""A Python program of ours in a sandbox: a socket to it, which is its standard input, and a pipe from it.

The program is sent as text, so the sandbox needs to read nothing of pyopenshell, and its output stays its own. What
comes back through the pipe is a stranger's: frames of eight bytes of length and so many bytes, bounded and timed.

Nothing is ever received from a socket whose other end is inside. What comes with its bytes may be descriptors, and
whoever receives one that he does not keep closes it, which takes as long as its maker liked (SO_LINGER, socket(7)). So
the socket is shut for that direction before the other end is given away, and the pipe's end is passed in through it.
"""

from __future__ import annotations

import os
import pkgutil
import select
import signal
import socket
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

from pyopenshell.errors import OpenShellError, SandboxGone

if TYPE_CHECKING:
    from collections.abc import Sequence
    from io import FileIO

    from pyopenshell.sandbox.box import Sandbox
    from pyopenshell.sandbox.process import Process

_BEGIN = """
import _socket, os, sys
if "TMPDIR" not in os.environ:
    try:
        os.rmdir(os.mkdir("/tmp/.openshell") or "/tmp/.openshell")
    except OSError:
        os.environ["TMPDIR"] = os.environ["HOME"]
door = _socket.socket(fileno=0)
_, passed, _, _ = door.recvmsg(1, _socket.CMSG_SPACE(4), _socket.MSG_CMSG_CLOEXEC)
answers = int.from_bytes(passed[0][2], sys.byteorder)
__file__ = "<openshell {name}>"
exec(compile(door.recv({size}, _socket.MSG_WAITALL), __file__, "exec"))
"""
"""What ``python -c`` runs. A sandbox has no private /tmp where the policy names something beneath it as read-only; its
private home is then where temporary files go."""
_LOOK = 0.25
"""Seconds between looks at the program itself: what it left running may hold the pipe open after its end."""


class DoorClosed(OpenShellError):
    """The program in the sandbox has ended, or closed the pipe; ``returncode`` is as ``subprocess`` has it."""

    code = "integration.ended"
    returncode: int | None = None


class DoorTimeout(OpenShellError, TimeoutError):
    """The program in the sandbox did not answer in time."""

    code = "integration.timeout"


class DoorRefused(OpenShellError):
    """The program in the sandbox sent what is not taken."""

    code = "integration.refused"


class Door:
    """One program of ``inside``, running in a sandbox."""

    def __init__(self, sandbox: Sandbox, python: str, name: str, **options: Any) -> None:
        """Start ``inside/<name>.py`` with this Python. ``options`` are those of ``Sandbox.popen``.

        Raises what that raises.
        """
        source = _source(name)
        begin = _BEGIN.format(name=name, size=len(source))
        with ExitStack() as kept, ExitStack() as given:
            self._questions, theirs = map(kept.enter_context, socket.socketpair())
            given.callback(theirs.close)
            end, their_end = os.pipe()
            given.callback(os.close, their_end)
            self._answers = kept.enter_context(open(end, "rb", buffering=0))
            self._questions.shutdown(socket.SHUT_RD)  # for good: nothing can be queued for us from here on, unix(7)
            socket.send_fds(self._questions, [b"+"], [their_end])
            self._questions.setblocking(False)
            os.set_blocking(end, False)
            self.process: Process = sandbox.popen([python, "-P", "-c", begin], stdin=theirs.fileno(), **options)
            kept.pop_all()
        self._write(source, None)

    def send(self, data: bytes, deadline: float | None = None) -> None:
        """Send a frame. ``deadline`` is a time of ``time.monotonic``. Raises DoorClosed, DoorTimeout."""
        self._write(len(data).to_bytes(8, "little"), deadline)
        self._write(data, deadline)

    def receive(self, limit: int, deadline: float | None = None) -> bytearray:
        """Return the next frame, of at most ``limit`` bytes. Raises DoorClosed, DoorTimeout, DoorRefused."""
        size = int.from_bytes(self._read(8, deadline), "little")
        if size > limit:
            raise DoorRefused(f"the sandbox sent {size:,} bytes at once, and {limit:,} are allowed")
        return self._read(size, deadline)

    def hand_in(self, word: bytes, descriptors: Sequence[int]) -> None:
        """Send one byte with descriptors, at once. Raises OSError: the program has ended, or takes none at present."""
        socket.send_fds(self._questions, [word], descriptors, socket.MSG_NOSIGNAL)

    def close(self) -> None:
        """Kill the program, and wait until it is gone."""
        self._questions.close()
        self._answers.close()
        with suppress(SandboxGone), self.process:
            self.process.kill()

    def _write(self, data: bytes, deadline: float | None) -> None:
        view = memoryview(data)
        while view:
            self._ready(self._questions, select.POLLOUT, deadline)
            try:
                view = view[self._questions.send(view, socket.MSG_NOSIGNAL) :]
            except BlockingIOError:
                continue
            except OSError as error:  # EPIPE, ECONNRESET
                raise self._closed() from error

    def _read(self, size: int, deadline: float | None) -> bytearray:
        data = bytearray()
        while len(data) < size:
            self._ready(self._answers, select.POLLIN, deadline)
            # Grown as it comes: a length alone, however large, makes nothing.
            piece = self._answers.read(min(size - len(data), 1 << 20))
            if piece == b"":
                raise self._closed()
            data += piece or b""
        return data

    def _ready(self, file: socket.socket | FileIO, event: int, deadline: float | None) -> None:
        """Wait until the file can be used so. Raises DoorClosed, DoorTimeout."""
        poll = select.poll()
        poll.register(file, event)
        while True:
            ended = self._has_ended()  # looked at first: what it sent before its end is still there
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                raise DoorTimeout("the program in the sandbox did not answer in time")
            wait = 0 if ended else _LOOK if left is None else min(left, _LOOK)
            if poll.poll(wait * 1000):
                return
            if ended:
                raise self._closed()

    def _has_ended(self) -> bool:
        try:
            return self.process.poll() is not None
        except SandboxGone:
            return True

    def _closed(self) -> DoorClosed:
        """Return what says how the program ended. One that closed the pipe and goes on is killed."""
        try:
            status = self.process.wait(_LOOK)
        except TimeoutError:
            self.process.kill()
            status = self.process.wait()
        except SandboxGone as error:
            return DoorClosed(error.message, hint=error.hint)
        closed = DoorClosed(f"the program in the sandbox {_ending(status)}")
        closed.returncode = status
        return closed


def _ending(status: int) -> str:
    if status >= 0:
        return f"ended with exit status {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"


def _source(name: str) -> bytes:
    source = pkgutil.get_data("pyopenshell.integrations.inside", f"{name}.py")
    if source is None:  # a loader that keeps no text
        raise OpenShellError(f"the text of inside/{name}.py is missing from this installation")
    return source + b"\n\nif __name__ == '__main__':\n    serve(door, answers)\n"
