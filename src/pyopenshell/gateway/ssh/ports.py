"""Ports inside a sandbox. Only its own loopback is offered; the connection is made inside its network namespace."""

from __future__ import annotations

import ipaddress

from pyopenshell.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

    from pyopenshell.gateway.ssh.visit import Visit


def loopback(host: str) -> tuple[str, ...]:
    """Return the addresses to try for a host, which must be a loopback one. Raises UsageError."""
    if host.rstrip(".").lower() in ("localhost", ""):
        return ("127.0.0.1", "::1")
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        address = None
    if address is None or not address.is_loopback or "%" in host:  # a zone (RFC 4007) is none of a loopback's
        raise UsageError(
            f"{host[:255]!r} is not the sandbox's loopback",
            hint="forwarding reaches ports inside the sandbox: 127.0.0.1, ::1 or localhost",
        )
    return (str(address),)


async def connect(visit: Visit, host: str, port: int) -> socket.socket:
    """Return a connection to a port inside the sandbox. Raises UsageError, OSError, OpenShellError."""
    if not 1 <= port <= 65535:
        raise UsageError(f"{port} is not a port", hint="ports go from 1 to 65535")
    failure: OSError | None = None
    for address in loopback(host):
        try:
            return await visit.supervised.connect_tcp(address, port)
        except OSError as error:
            failure = failure or error
    assert failure is not None  # noqa: S101 - there is always an address
    raise failure
