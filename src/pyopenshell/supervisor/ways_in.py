"""Connections into a sandbox, for whoever asks its supervisor: to a file agent, or to somebody who listens in it."""

from __future__ import annotations

import _socket
import marshal
import os

from pyopenshell.errors import OpenShellError
from pyopenshell.launch import wire
from pyopenshell.zygote import failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyopenshell.supervisor.keeper import Keeper
    from pyopenshell.supervisor.visitor import Visitor


class WaysIn:
    """Has init open them, and hands them on."""

    def __init__(self, keeper: Keeper) -> None:
        """Open none yet."""
        self._keeper = keeper
        self._waiting: list[Visitor] = []

    def files(self, visitor: Visitor) -> None:
        """Give a visitor a connection to a file agent in the sandbox. Raises SandboxGone, OSError."""
        ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
        try:
            self._keeper.tell(wire.FILES, b"", [theirs.fileno()])
            visitor.give(ours.detach())
        finally:
            ours.close()
            theirs.close()

    def connect(self, visitor: Visitor, host: str, port: int) -> None:
        """Have init connect to somebody in the sandbox, and give a visitor that. Raises SandboxGone."""
        self._keeper.tell(wire.CONNECT, marshal.dumps((host, port)))
        self._waiting.append(visitor)

    def connected(self, errno: int, descriptor: int) -> None:
        """Take what init opened, or why it could not. It answers in the order in which it was asked."""
        if not self._waiting:  # nobody has asked: init is not what it was
            return
        visitor = self._waiting.pop(0)
        if errno or descriptor < 0:
            code = errno or 5
            visitor.fail({**failure.pack(OpenShellError(os.strerror(code), code="connect")), "exit_code": code})
        else:
            visitor.give(os.dup(descriptor))
