"""A Python program of ours in a sandbox, and the socket to it, which is its standard input.

The program is sent as text, so the sandbox needs to read nothing of pyopenshell, and its output stays its own. What
comes back over the socket is a stranger's: frames of eight bytes of length and so many bytes, bounded and timed.
"""

from __future__ import annotations

import os
import pkgutil
import select
import signal
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pyopenshell.errors import OpenShellError, SandboxGone

if TYPE_CHECKING:
    from pyopenshell.sandbox.box import Sandbox
    from pyopenshell.sandbox.process import Process

_BEGIN = """
import _socket, os
if "TMPDIR" not in os.environ:
    try:
        os.rmdir(os.mkdir("/tmp/.openshell") or "/tmp/.openshell")
    except OSError:
        os.environ["TMPDIR"] = os.environ["HOME"]
door = _socket.socket(fileno=0)
__file__ = "<openshell {name}>"
exec(compile(door.recv({size}, _socket.MSG_WAITALL), __file__, "exec"))
"""
"""What ``python -c`` runs. A sandbox has no private /tmp where the policy names something beneath it as read-only; its
private home is then where temporary files go."""
_LOOK = 0.25
"""Seconds between looks at the program itself: what it left running may hold the socket open after its end."""


class DoorClosed(OpenShellError):
    """The program in the sandbox has ended, or closed the socket; ``returncode`` is as ``subprocess`` has it."""

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
        self.socket, theirs = socket.socketpair()
        try:
            begin = _BEGIN.format(name=name, size=len(source))
            self.process: Process = sandbox.popen([python, "-P", "-c", begin], stdin=theirs.fileno(), **options)
        except BaseException:
            self.socket.close()
            raise
        finally:
            theirs.close()
        self.socket.setblocking(False)
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

    def ask_socket(self, question: bytes, deadline: float) -> socket.socket | None:
        """Send these bytes, and return the connected Unix socket that is passed in answer, or None for ``-``.

        Raises as ``receive`` does. Whatever else is passed is closed.
        """
        self._write(question, deadline)
        self._ready(select.POLLIN, deadline)
        data, passed, _, _ = socket.recv_fds(self.socket, 1, 1, socket.MSG_CMSG_CLOEXEC)
        sockets = [_adopt(fd) for fd in passed]
        if not data:
            raise self._closed()
        if not sockets:
            return None
        if sockets[0] is None:
            raise DoorRefused("the sandbox passed what is no Unix socket")
        return sockets[0]

    def close(self) -> None:
        """Kill the program, and wait until it is gone."""
        self.socket.close()
        with suppress(SandboxGone), self.process:
            self.process.kill()

    def _write(self, data: bytes, deadline: float | None) -> None:
        view = memoryview(data)
        while view:
            self._ready(select.POLLOUT, deadline)
            try:
                view = view[self.socket.send(view, socket.MSG_NOSIGNAL) :]
            except BlockingIOError:
                continue
            except OSError as error:  # EPIPE, ECONNRESET
                raise self._closed() from error

    def _read(self, size: int, deadline: float | None) -> bytearray:
        data = bytearray()
        while len(data) < size:
            self._ready(select.POLLIN, deadline)
            try:
                # Grown as it comes: a length alone, however large, makes nothing.
                piece = self.socket.recv(min(size - len(data), 1 << 20))
            except BlockingIOError:
                continue
            except OSError as error:
                raise self._closed() from error
            if not piece:
                raise self._closed()
            data += piece
        return data

    def _ready(self, event: int, deadline: float | None) -> None:
        """Wait until the socket can be used so. Raises DoorClosed, DoorTimeout."""
        poll = select.poll()
        poll.register(self.socket, event)
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
        """Return what says how the program ended. One that closed the socket and goes on is killed."""
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


def _adopt(fd: int) -> socket.socket | None:
    """Return the socket that was passed, or close what is none."""
    try:
        found = socket.socket(fileno=fd)
    except OSError:
        os.close(fd)
        return None
    if (found.family, found.type) != (socket.AF_UNIX, socket.SOCK_STREAM):
        found.close()
        return None
    return found


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
    return source + b"\n\nif __name__ == '__main__':\n    serve(door)\n"
