"""What to try with sockets: those it may have, a way to the network, and what listens outside."""

from __future__ import annotations

import errno
import os
import sys

from pyopenshell.verify.attempt import ALLOWED, DENIED, SOCKETS, Attempt
from pyopenshell.verify.rules import Rules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyopenshell.effective.model import Effective
    from pyopenshell.verify.outside import Outside

AF_UNIX, AF_INET, AF_INET6, AF_NETLINK = 1, 2, 10, 16
STREAM, DATAGRAM, RAW = 1, 2, 3
PORT = (9).to_bytes(2, "big")
"""Discard. A datagram socket that is connected sends nothing: the kernel only looks for a route."""
REFUSALS = (errno.EAFNOSUPPORT, errno.EPERM, errno.EACCES)
WAYS_OUT = (
    ("192.0.2.1", AF_INET, PORT + bytes((192, 0, 2, 1)) + bytes(8)),
    ("2001:db8::1", AF_INET6, PORT + bytes(4) + bytes.fromhex("20010db8") + bytes(11) + b"\1" + bytes(4)),
)
"""Addresses that are nobody's (RFC 5737, RFC 3849)."""
KINDS = (
    ("IPv4, TCP", AF_INET, STREAM, 0),
    ("IPv4, UDP", AF_INET, DATAGRAM, 0),
    ("netlink: routes", AF_NETLINK, RAW, 0),
)


def attempts(effective: Effective, seen: Outside) -> Iterator[Attempt]:
    """Try sockets, by what the report says of each kind of isolation."""
    yield _socket("Unix", AF_UNIX, STREAM, 0, ALLOWED)
    is_private = effective.isolation["net"].state == "private"
    for name, family, kind, protocol in KINDS:
        yield _socket(name, family, kind, protocol, ALLOWED if is_private else DENIED)
    for host, family, address in WAYS_OUT:
        yield _connect("the network", host, family, DATAGRAM, address)
    if seen.abstract and effective.isolation["abstract_sockets"].state != "open":
        name = os.fsdecode(seen.abstract).strip("\0")
        yield _connect("an abstract socket outside", name, AF_UNIX, STREAM, seen.abstract)
    if seen.pathname and effective.isolation["pathname_sockets"].state != "open":
        rules, path = Rules(effective), seen.pathname
        attempt = _connect("a socket in the host's /tmp", path, AF_UNIX, STREAM, os.fsencode(path) + b"\0")
        is_granted = rules.gives(path, "resolve_unix") and not rules.is_hidden(path)
        yield attempt.replace(expected=ALLOWED) if is_granted else attempt


def _socket(name: str, family: int, kind: int, protocol: int, expected: str) -> Attempt:
    call = ("call", None, "socket", family, kind | os.O_CLOEXEC, protocol)
    return Attempt(SOCKETS, name, name, "make", expected, call, refusals=REFUSALS)


def _connect(subject: str, target: str, family: int, kind: int, address: bytes) -> Attempt:
    call = ("connect", None, family, kind, family.to_bytes(2, sys.byteorder) + address)
    return Attempt(SOCKETS, subject, target, "connect", DENIED, call, passes=(errno.EINPROGRESS,))
