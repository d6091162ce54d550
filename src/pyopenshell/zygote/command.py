"""One program of a sandbox, and the socket by which its owner follows it."""

from __future__ import annotations

import _socket
import marshal
import os

from pyopenshell.errors import CommandError, SandboxGone
from pyopenshell.launch import frames, wire
from pyopenshell.zygote import failure, protocol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyopenshell.audit.context import Process
    from pyopenshell.zygote.keeper import Keeper

MISSING = (2, 20)
"""ENOENT and ENOTDIR: no such program."""

MAX_SIGNAL = 64
"""The greatest number of a signal (signal(7))."""


class Command:
    """A program from its owner's wish to its end. The owner closes its socket to have it killed."""

    def __init__(self, keeper: Keeper, number: int, asked: dict[str, Any], descriptors: list[int]) -> None:
        """Hand it on to init. ``descriptors``: the owner's socket, then the program's streams; closed here."""
        self.number = number
        self.asked = asked
        self._keeper = keeper
        self._socket = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM, 0, descriptors[0])
        self._reader = frames.Reader(self._socket)
        self._outbox = frames.Outbox(self._socket)
        self._process: Process | None = None
        self._status: int | None = None
        self._is_cancelled = False
        keeper.server.loop.watch(self._socket.fileno(), self._heard)
        keeper.tell(wire.SPAWN, marshal.dumps({**asked, "number": number}), descriptors[1:])
        for fd in descriptors[1:]:
            os.close(fd)

    def begun(self, pid: int, terminal: int) -> None:
        """Tell that it runs; a negative number is the errno of starting it."""
        if pid < 0:
            error = not_begun(self.asked["argv"][0], self.asked["cwd"], -pid)
            self._keeper.story.not_begun(self.asked, error.message)
            self._outbox.send(protocol.FAILED, marshal.dumps(failure.pack(error)))
            self.close()
            return
        self._process = self._keeper.story.begun(self.asked, pid)
        if not self.asked.get("quiet"):
            self._outbox.send(protocol.BEGUN, marshal.dumps({"pid": pid}))
        if terminal >= 0:
            self._outbox.send(protocol.TERMINAL, b"", [terminal])

    def exited(self, status: int) -> None:
        """Tell how it ended; of one that is being killed only when nothing is left of it."""
        self._status = status
        code = os.waitstatus_to_exitcode(status)
        if self._process:
            self._keeper.story.over(self._process, *((code, None) if code >= 0 else (128 - code, -code)))
        if not self._is_cancelled:
            self._finish()

    def cleared(self) -> None:
        """Note that nothing is left of it."""
        self._finish()

    def lost(self, why: str) -> None:
        """Tell that its sandbox has ended, and it with it."""
        self._outbox.send(protocol.FAILED, marshal.dumps(failure.pack(SandboxGone(why))))
        self.close()

    def close(self) -> None:
        """Say no more."""
        self._keeper.commands.pop(self.number, None)
        self._keeper.server.loop.forget(self._socket.fileno())
        self._outbox.close()
        self._reader.close()
        self._socket.close()

    def broke(self, error: Exception) -> None:
        """End the sandbox: we have a defect."""
        self._keeper.broke(error)

    def _finish(self) -> None:
        if self._status is not None:
            self._outbox.send(protocol.EXITED, marshal.dumps({"status": self._status}))
        self.close()

    def _heard(self) -> None:
        for kind, payload, descriptors in self._reader.take():
            for fd in descriptors:
                os.close(fd)
            number = marshal.loads(payload) if kind == protocol.SIGNAL else 0  # noqa: S302 - from our owner
            if 0 < number <= MAX_SIGNAL:
                self._keeper.tell(wire.SIGNAL, marshal.dumps((self.number, number)))
        if self._reader.ended and not self._is_cancelled:
            self._is_cancelled = True
            self._keeper.server.loop.forget(self._socket.fileno())
            self._keeper.tell(wire.END, self.number.to_bytes(4, "little"))


def not_begun(name: str, folder: str | None, number: int) -> CommandError:
    """Return the error for what init tells of a program that it could not start (``wire.STARTED``)."""
    if number < wire.FOLDER:
        return _not_started(name, number)
    if number < wire.PTY:
        return _not_entered(name, folder, number - wire.FOLDER)
    return _no_terminal(name, number - wire.PTY)


def _no_terminal(name: str, number: int) -> CommandError:
    error = CommandError(
        f"{name}: there is no terminal for it in the sandbox: {os.strerror(number)}",
        code="command.terminal",
        hint="without a mount namespace there are only the host's terminals, which are not granted: use pipes",
    )
    error.exit_code = 126
    return error


def _not_entered(name: str, folder: str | None, number: int) -> CommandError:
    error = CommandError(
        f"{name}: it cannot be started in {folder}: {os.strerror(number)}",
        code="command.workdir",
        hint="the folder is one of the sandbox: what no grant shows is not there" if number in MISSING else None,
    )
    error.exit_code = 126
    return error


def _not_started(name: str, number: int) -> CommandError:
    if number in MISSING:
        return CommandError(
            f"{name}: no such program in the sandbox",
            hint="PATH is that of the sandbox, and what no grant shows is not there",
        )
    error = CommandError(
        f"{name}: the sandbox cannot execute it: {os.strerror(number)}",
        code="command.not-executable",
        hint="file modes and a grant must both allow it: name it in the policy's read_only, or in Python in programs"
        if number == 13
        else None,
    )
    error.exit_code = 126
    return error
