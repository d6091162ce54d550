"""A gateway's address: https://host:port, http://host:port (plaintext) or unix:/path."""

from __future__ import annotations

import ipaddress
from urllib.parse import SplitResult, urlsplit

from pyopenshell.errors import UsageError
from pyopenshell.policy.problems import show
from pyopenshell.record import Record

PORTS = {"https": 443, "http": 80}
LONGEST_SOCKET_PATH = 107
"""Bytes of a Unix socket's path: unix(7), less the null byte."""


class Endpoint(Record):
    """An address. ``host`` is the socket's path where the scheme is ``unix``; the port is 0 then."""

    scheme: str
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Endpoint:
        """Return the address that is written. Raises UsageError that says what is wrong with it."""
        if text.startswith("unix:"):
            path = text.removeprefix("unix:").removeprefix("//")
            if not path.startswith("/") or "\0" in path or len(path.encode("utf-8", "replace")) > LONGEST_SOCKET_PATH:
                raise _wrong(text, f"a socket's path is absolute and has at most {LONGEST_SOCKET_PATH} bytes")
            return cls("unix", path, 0)
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError as error:
            raise _wrong(text, str(error)) from None
        problem = _problem(text, parts)
        if problem is not None:
            raise _wrong(text, problem)
        return cls(parts.scheme, parts.hostname or "", PORTS[parts.scheme] if port is None else port)

    def __str__(self) -> str:
        """Return the address as it is written."""
        return f"unix:{self.host}" if self.scheme == "unix" else f"{self.scheme}://{self.target}"

    @property
    def target(self) -> str:
        """The address as gRPC takes it."""
        if self.scheme == "unix":
            return f"unix:{self.host}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def loopback(self) -> bool:
        """Whether it is on this host for sure: a Unix socket, or a loopback address."""
        return self.scheme == "unix" or is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """Return whether a host is a loopback address, or ``localhost``, which is one by RFC 6761."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _problem(text: str, parts: SplitResult) -> str | None:
    """Return what is wrong with an address, None for nothing."""
    if parts.scheme not in PORTS:
        return "it begins with https://, http:// or unix:/"
    if not parts.hostname or not text.isascii() or not text.isprintable() or " " in text or "%" in parts.netloc:
        return "no host is named"
    if parts.port == 0:
        return "0 is not a port to speak to"
    if "@" in parts.netloc or parts.path not in ("", "/") or parts.query or parts.fragment:
        return "only a host and a port belong into it"
    return None


def _wrong(text: str, why: str) -> UsageError:
    return UsageError(
        f"{show(text)} is not a gateway's address: {why}",
        hint="for example https://127.0.0.1:17670",
        code="gateway.endpoint",
    )
