"""The other end of a probe's connection: send the list of attempts, read the answers."""

from __future__ import annotations

import _socket
import marshal
import select
import time

from pyopenshell.errors import OpenShellError
from pyopenshell.launch import probe, wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from collections.abc import Callable
    from typing import Any

SIZE = 4
"""Bytes of an answer: a signed number."""
QUIET = 10
"""Seconds without an answer after which no more are waited for: the probe may have been stopped (SIGSTOP)."""
GONE = 1
"""Seconds for a probe that is not listened to any more to end, so that it makes nothing after it was cleaned up."""


def talk(
    connection: _socket.socket,
    attempts: list[tuple[Any, ...]],
    other: int = -1,
    hear: Callable[[], None] | None = None,
) -> list[int]:
    """Return the answers, in order; fewer than attempts where the probe ended early, or took too long.

    ``hear`` is called when the descriptor ``other`` can be read meanwhile, and may raise. Raises OSError: nobody took
    the list. Raises OpenShellError: it is too long.
    """
    data = marshal.dumps(attempts)
    if len(data) > probe.MAX_LIST:
        raise OpenShellError(
            f"there is too much to verify: {len(attempts)} attempts take {len(data) >> 20} MiB, more than "
            f"{probe.MAX_LIST >> 20}",
            hint="grant fewer paths: a folder instead of many in it",
            code="verify.too-long",
        )
    connection.settimeout(probe.SECONDS)
    answers = b""
    try:
        connection.sendall(len(data).to_bytes(4, "little") + data)
        answers = _answers(connection, SIZE * len(attempts), other, hear)
    finally:
        if len(answers) < SIZE * len(attempts):
            _part(connection)
    whole = range(0, len(answers) - len(answers) % SIZE, SIZE)
    return [int.from_bytes(answers[start : start + SIZE], "little", signed=True) for start in whole]


def _answers(connection: _socket.socket, size: int, other: int, hear: Callable[[], None] | None) -> bytes:
    deadline = time.monotonic() + probe.SECONDS
    watched = [connection.fileno(), *([other] if hear else [])]
    answers = b""
    while len(answers) < size:
        ready = select.select(watched, [], [], max(0, min(QUIET, deadline - time.monotonic())))[0]
        if not ready:
            break
        if hear and other in ready:
            hear()
        if connection.fileno() in ready:
            piece = _receive(connection, size - len(answers))
            if not piece:
                break
            answers += piece
    return answers


def _part(connection: _socket.socket) -> None:
    """Take no more answers, which ends the probe at its next one, and wait until it has gone."""
    try:
        connection.shutdown(_socket.SHUT_RD)  # closing both directions would pass for the other end's going
    except OSError:  # nobody is there any more
        return
    poll = select.poll()
    poll.register(connection, select.POLLHUP)
    poll.poll(GONE * 1000)


def before_start(
    control: _socket.socket, attempts: list[tuple[Any, ...]], other: int, hear: Callable[[], None]
) -> list[int]:
    """Let init, which waits for its go, fork a probe; return its answers as ``talk``. Raises OSError."""
    ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
    try:
        try:
            wire.send_descriptor(control, wire.PROBE, theirs.fileno())
        finally:
            theirs.close()
        return talk(ours, attempts, other, hear)
    finally:
        ours.close()


def _receive(connection: _socket.socket, count: int) -> bytes:
    try:
        return connection.recv(count)
    except ConnectionResetError:  # the probe was killed with some of the list unread
        return b""
