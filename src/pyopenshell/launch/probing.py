"""The other end of a probe's connection: send the list of attempts, read the answers."""

from __future__ import annotations

import _socket
import marshal
import select
import time

from pyopenshell.launch import probe, wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from collections.abc import Callable
    from typing import Any

SIZE = 4
"""Bytes of an answer: a signed number."""


def talk(
    connection: _socket.socket,
    attempts: list[tuple[Any, ...]],
    other: int = -1,
    hear: Callable[[], None] | None = None,
) -> list[int]:
    """Return the answers, in order; fewer than attempts where the probe ended early, or took too long.

    ``hear`` is called when the descriptor ``other`` can be read meanwhile, and may raise. Raises OSError: nobody took
    the list.
    """
    data = marshal.dumps(attempts)
    connection.settimeout(probe.SECONDS)
    connection.sendall(len(data).to_bytes(4, "little") + data)
    deadline = time.monotonic() + probe.SECONDS
    watched = [connection.fileno(), *([other] if hear else [])]
    answers = b""
    while len(answers) < SIZE * len(attempts):
        ready = select.select(watched, [], [], max(0, deadline - time.monotonic()))[0]
        if not ready:
            break
        if hear and other in ready:
            hear()
        if connection.fileno() in ready:
            piece = _receive(connection, SIZE * len(attempts) - len(answers))
            if not piece:
                break
            answers += piece
    whole = range(0, len(answers) - len(answers) % SIZE, SIZE)
    return [int.from_bytes(answers[start : start + SIZE], "little", signed=True) for start in whole]


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
