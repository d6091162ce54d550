"""The file agent: a fork of init that opens, reads and writes for a client outside, as a program of the sandbox may.

It is inside the sandbox by birth: same domain, filter, namespaces and identity. Whatever path, link or name a client
sends, the kernel decides what becomes of it; nothing is checked here instead. One request is served after another, in
the order they come, and an agent ends when its client closes the connection, or with its sandbox.

Files that a client has not completed have names of the agent's own, and go with it.
"""

from __future__ import annotations

import _socket
import os

from pyopenshell.kernel import process, signals
from pyopenshell.launch import files_wire as wire
from pyopenshell.launch.files_agent import Agent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def start(connection: int, folder: int) -> int:
    """Fork an agent that serves one connection, from an open folder as its working directory; return its pid.

    Raises OSError: as many processes as there may be. The connection stays the caller's.
    """
    pid = os.fork()
    if pid == 0:
        try:
            # The program has this uid, and the agent's memory is a copy of the launcher's.
            process.set_dumpable(False)
            process.set_parent_death_signal(signals.SIGKILL)
            os.fchdir(folder)
            process.close_fds((0, 1, 2, connection))
            serve(_socket.socket(fileno=connection))
        finally:
            os._exit(1)
    return pid


def serve(connection: _socket.socket) -> NoReturn:
    """Serve one client until it closes the connection; then end this process."""
    connection.setblocking(True)
    agent = Agent()
    try:
        while (request := _receive(connection)) is not None:
            number, body = agent.answer(*request)
            connection.sendall(wire.head(len(body), number) + body, _socket.MSG_NOSIGNAL)
    except OSError:  # the client went away
        pass
    finally:
        agent.clean()
        os._exit(0)


def _receive(connection: _socket.socket) -> tuple[int, bytes] | None:
    """Return the next operation and its body, None at the end, and for what no client sends."""
    head = connection.recv(wire.HEAD, _socket.MSG_WAITALL)
    length, operation = wire.split(head)
    if len(head) < wire.HEAD or length > wire.MAX_BODY or operation not in wire.REQUESTS:
        return None
    body = connection.recv(length, _socket.MSG_WAITALL) if length else b""
    return (operation, body) if len(body) == length else None
