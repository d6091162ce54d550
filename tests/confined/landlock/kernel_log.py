"""The kernel's audit log as its multicast group gives it: what it says of Landlock's denials."""

from __future__ import annotations

import os
import socket
import struct
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import pytest

from pyopenshell.landlock import downgrade
from pyopenshell.landlock.downgrade import handled
from tests.confined.landlock import harness

if TYPE_CHECKING:
    from collections.abc import Iterator

NETLINK_AUDIT, READERS = 9, 1
SOL_NETLINK, NETLINK_ADD_MEMBERSHIP = 270, 1
AUDIT_GET, AUDIT_LANDLOCK_ACCESS = 1000, 1423
HEAD = struct.Struct("=IHHII")
"""``struct nlmsghdr``: length, type, flags, sequence, pid (netlink(7))."""


class Denial(NamedTuple):
    """One record of a denial. ``domain`` is the kernel's number of the sandbox."""

    domain: str
    path: str


class Log:
    """The records that came since it was opened."""

    def __init__(self, netlink: socket.socket) -> None:
        self._netlink = netlink

    def denials(self) -> list[Denial]:
        """Return all denials logged until now: a known one is caused, and its record ends the reading."""
        last = f"/{uuid.uuid4().hex}"
        os.mkdir(f"/tmp{last}")
        try:
            harness.confined(lambda: os.listdir(f"/tmp{last}"), handled(downgrade.LOG_ABI, tcp=False))
            found: list[Denial] = []
            while not found or not found[-1].path.endswith(last):
                found += self._next()
        finally:
            os.rmdir(f"/tmp{last}")
        return found[:-1]

    def _next(self) -> list[Denial]:
        message = self._netlink.recv(65536)
        if HEAD.unpack_from(message)[1] != AUDIT_LANDLOCK_ACCESS:
            return []
        words = message[HEAD.size :].decode(errors="replace").rstrip("\0\n").split()
        values = {name: value for name, _, value in (word.partition("=") for word in words)}
        return [Denial(values["domain"], values.get("path", "").strip('"'))]


@contextmanager
def listening() -> Iterator[Log]:
    """Read the log from now on. Skips where this kernel, or this process, has none."""
    if harness.ABI < downgrade.LOG_ABI:
        pytest.skip("needs: Landlock ABI 7")
    try:
        netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_AUDIT)
    except OSError:
        pytest.skip("needs: an audit log")
    with netlink:
        netlink.settimeout(harness.SECONDS)
        if not _enabled(netlink):
            pytest.skip("needs: audit=1 on the kernel's command line")
        netlink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        netlink.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, READERS)
        yield Log(netlink)


def _enabled(netlink: socket.socket) -> bool:
    """Ask for ``struct audit_status``: its second number says whether the kernel logs."""
    try:
        netlink.send(HEAD.pack(HEAD.size, AUDIT_GET, 1, 1, 0))
    except PermissionError:
        pytest.skip("needs: root")
    message = netlink.recv(65536)
    if HEAD.unpack_from(message)[1] != AUDIT_GET:
        pytest.skip("needs: CAP_AUDIT_CONTROL")
    return bool(struct.unpack_from("=I", message, HEAD.size + 4)[0])
