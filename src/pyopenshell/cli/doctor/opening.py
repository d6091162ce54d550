"""What a sandbox's identity can really open, read or connect to, found out by a throwaway child that has become it.

Nothing is done with what was opened: no ioctl, no read of a device, no word to a daemon.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pyopenshell.effective.model import Identity

READ, READ_WRITE, CONNECT = "read", "read-write", "connect"
"""What can be tried with a path: to open it, both without waiting, or to connect to it as to a socket."""
PATIENCE = 15.0
"""Seconds for one attempt. A driver that starts a GPU because of it may take several."""
HANGS = 2
"""After so many attempts without an answer the others are not made, and count the same."""
UNTRIED = -1
"""The answer where this process could not become the identity, so that nothing was tried."""
_FLAGS = os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def outcomes(
    identity: Identity, attempts: Iterable[tuple[str, str]], patience: float = PATIENCE
) -> dict[tuple[str, str], int]:
    """Return 0, an errno or ``UNTRIED`` for each attempt, a kind and a path. ETIMEDOUT: there was no answer."""
    results: dict[tuple[str, str], int] = {}
    queue = list(dict.fromkeys(attempts))
    hung = 0
    while queue:
        answers = _ask(identity, queue, patience) if hung < HANGS else []
        if answers == [UNTRIED]:
            return results | dict.fromkeys(queue, UNTRIED)
        results.update(zip(queue, answers, strict=False))
        queue = queue[len(answers) :]
        if queue:  # the child hangs in this one, or died of it
            results[queue.pop(0)] = errno.ETIMEDOUT
            hung += 1
    return results


def _ask(identity: Identity, attempts: Sequence[tuple[str, str]], patience: float) -> list[int]:
    """Return the answers of one child, as far as it came; ``UNTRIED`` alone where it could not become the identity."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(reader)
            try:
                _become(identity)
            except OSError:
                os.write(writer, struct.pack("i", UNTRIED))
                os._exit(0)
            for kind, path in attempts:
                os.write(writer, struct.pack("i", _attempt(kind, path)))
        finally:
            os._exit(0)
    os.close(writer)
    answers: list[int] = []
    try:
        while len(answers) < len(attempts) and select.select([reader], [], [], patience)[0]:
            data = os.read(reader, 4)
            if len(data) < 4:
                break
            answers += struct.unpack("i", data)
    finally:
        os.close(reader)
        _end(pid)
    return answers


def _end(pid: int) -> None:
    """Kill the child and reap it, unless it is stuck in a driver: that one ends when the driver lets it."""
    import time

    from pyopenshell.kernel.signals import SIGKILL

    os.kill(pid, SIGKILL)
    for _ in range(50):
        if os.waitpid(pid, os.WNOHANG)[0]:
            return
        time.sleep(0.01)


def _become(identity: Identity) -> None:
    """Change to the identity for good, without capabilities, as a sandbox's programs are."""
    from pyopenshell.kernel import process

    if os.geteuid() == 0:
        if process.has_capability(process.CAP_SETPCAP):
            process.drop_bounding_set()
        process.set_ids(identity.uid, identity.gid, identity.groups)
    process.drop_capabilities()


def _attempt(kind: str, path: str) -> int:
    try:
        if kind == CONNECT:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as client:
                client.connect(path)
        else:
            os.close(os.open(path, (os.O_RDWR if kind == READ_WRITE else os.O_RDONLY) | _FLAGS))
    except BlockingIOError:
        return 0  # somebody listens, and has no time now
    except OSError as error:
        return error.errno or errno.EIO
    return 0
