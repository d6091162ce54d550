"""seccomp user notification (seccomp_unotify(2)): take a call that a filter trapped, and answer it.

Layouts and request numbers are those of ``linux/seccomp.h``; tests hold them against the header. The listener is the
descriptor that ``kernel.seccomp.install`` returns with ``FILTER_FLAG_NEW_LISTENER``.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct

from pyopenshell.record import Record

RECV = 0xC0502100
SEND = 0xC0182101
ADDFD = 0x40182103
"""Linux 5.9."""
SET_FLAGS = 0x40082104
"""Linux 6.7."""

FLAG_CONTINUE = 1
"""``SECCOMP_USER_NOTIF_FLAG_CONTINUE``: the kernel goes on with the call as if it had not been trapped (Linux 5.5)."""
ADDFD_FLAG_SEND = 2
"""Put the descriptor in place and answer with its number, in one step (Linux 5.14)."""
SYNC_WAKE_UP = 1

NOTIFICATION = struct.Struct("=QIIiIQ6Q")
"""``struct seccomp_notif``: id, pid, flags, then ``struct seccomp_data``: nr, arch, instruction pointer, arguments."""
RESPONSE = struct.Struct("=QqiI")
"""``struct seccomp_notif_resp``: id, return value, error (a negative errno), flags."""
ADDITION = struct.Struct("=QIIII")
"""``struct seccomp_notif_addfd``: id, flags, our descriptor, the target's, the target's flags."""
EMPTY = bytes(NOTIFICATION.size)
"""What RECV wants to be given: anything else is EINVAL."""


class Notification(Record):
    """A call that waits for its answer.

    ``id`` is a cookie, good until the call is answered or interrupted. ``pid`` is the calling *thread*, as the pid
    namespace of whoever receives numbers it. ``arguments`` are the six registers, 64 bits each.
    """

    id: int
    pid: int
    nr: int
    arch: int
    arguments: tuple[int, ...]


def decode(data: bytes) -> Notification:
    """Return the notification in the bytes that RECV gave. Raises struct.error for any other length."""
    cookie, pid, _flags, nr, arch, _pointer, *arguments = NOTIFICATION.unpack(data)
    return Notification(cookie, pid, nr, arch, tuple(arguments))


def receive(listener: int) -> Notification | None:
    """Take the next notification; None when its caller is gone already.

    Blocks when there is none: poll(2) the listener first. Raises OSError.
    """
    try:
        return decode(fcntl.ioctl(listener, RECV, EMPTY))
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.EINTR):
            return None
        raise


def go_on(listener: int, cookie: int) -> bool:
    """Let the kernel go on with the call. Returns False when the caller is gone."""
    return _send(listener, RESPONSE.pack(cookie, 0, 0, FLAG_CONTINUE))


def refuse(listener: int, cookie: int, number: int) -> bool:
    """Answer with this errno. Returns False when the caller is gone."""
    return _send(listener, RESPONSE.pack(cookie, 0, -number, 0))


def give(listener: int, cookie: int, fd: int, *, close_on_exec: bool) -> bool:
    """Put a copy of ``fd`` into the caller's table, and answer with its number there.

    Returns False when the caller is gone. Raises OSError: EMFILE when the caller's table is full; EINVAL, ENOTTY
    before Linux 5.9. Before Linux 5.14 it takes two steps, and a caller that is interrupted in between keeps a
    descriptor it does not know of.
    """
    flags = os.O_CLOEXEC if close_on_exec else 0
    try:
        fcntl.ioctl(listener, ADDFD, bytearray(ADDITION.pack(cookie, ADDFD_FLAG_SEND, fd, 0, flags)), True)
    except OSError as error:
        if error.errno == errno.EINVAL:
            return _give_in_two_steps(listener, cookie, fd, flags)
        if error.errno in (errno.ENOENT, errno.EINPROGRESS):
            return False
        raise
    return True


def wake_in_step(listener: int) -> bool:
    """Let caller and answerer run in turns on one processor, which is faster. Returns whether the kernel can."""
    try:
        fcntl.ioctl(listener, SET_FLAGS, SYNC_WAKE_UP)
    except OSError:
        return False
    return True


def _give_in_two_steps(listener: int, cookie: int, fd: int, flags: int) -> bool:
    try:
        number = fcntl.ioctl(listener, ADDFD, bytearray(ADDITION.pack(cookie, 0, fd, 0, flags)), True)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.EINPROGRESS):
            return False
        raise
    return _send(listener, RESPONSE.pack(cookie, number, 0, 0))


def _send(listener: int, response: bytes) -> bool:
    try:
        fcntl.ioctl(listener, SEND, response)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.EINPROGRESS):
            return False
        raise
    return True
