"""Ends of sockets and pipes that the owner makes: none stands where a standard stream belongs, closed or not."""

from __future__ import annotations

import _socket
import fcntl
import os

STREAMS = 2
"""The last of the standard streams' descriptors."""


def placed(fd: int) -> int:
    """Return a descriptor that was just made, elsewhere where it is a standard stream's: that one was closed.

    Whoever is then given this process's own streams is not given ours. Raises OSError, and has closed it then.
    """
    if fd > STREAMS:
        return fd
    try:
        return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, STREAMS + 1)
    finally:
        os.close(fd)


def pair(kind: int) -> tuple[_socket.socket, _socket.socket]:
    """Return a pair of sockets that block, whatever ``socket.setdefaulttimeout`` was told. Raises OSError."""
    ours, theirs = _socket.socketpair(_socket.AF_UNIX, kind)
    if min(ours.fileno(), theirs.fileno()) <= STREAMS:
        # Both are detached at once: where there is no room for one, none is left.
        numbers = [ours.detach(), theirs.detach()]
        try:
            ours = _socket.socket(fileno=placed(numbers.pop(0)))
            theirs = _socket.socket(fileno=placed(numbers.pop()))
        except BaseException:
            for fd in numbers:
                os.close(fd)
            ours.close()
            raise
    if _socket.getdefaulttimeout() is not None:
        ours.setblocking(True)
        theirs.setblocking(True)
    return ours, theirs


def no_socket() -> _socket.socket:
    """Return what stands for a socket that is not there yet: one that is closed."""
    return _socket.socket.__new__(_socket.socket)


def is_open(fd: int) -> bool:
    """Whether there is such a descriptor."""
    try:
        os.fstat(fd)
    except (OSError, OverflowError):
        return False
    return True
