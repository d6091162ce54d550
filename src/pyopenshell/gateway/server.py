"""The gRPC server: addresses, bounds, health, reflection, a graceful end. What it serves comes from others."""

from __future__ import annotations

import asyncio
import os
import pwd
import socket as socketlib

import grpc
from grpc_health.v1 import _async as health  # type: ignore[import-untyped]
from grpc_health.v1 import health_pb2, health_pb2_grpc

from pyopenshell.errors import OpenShellError, UsageError
from pyopenshell.gateway import limits
from pyopenshell.gateway.auth import Doorkeeper
from pyopenshell.gateway.calls import LOG, Collector, Methods
from pyopenshell.gateway.endpoint import LONGEST_SOCKET_PATH, is_loopback
from pyopenshell.record import Record
from pyopenshell.state import open_folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from pyopenshell.gateway.certificates import Certificates

    Service = tuple[Callable[[Any, Any], None], object]
    """The generated ``add_…_to_server`` and the servicer."""

PORT = 17670
"""Where a local gateway listens, if nothing else is said."""
REFLECTION = "grpc.reflection.v1alpha.ServerReflection"


class Options(Record):
    """Where to listen. Addresses are ``host:port``, port 0 for a free one; None for not at all."""

    tls: str | None = f"127.0.0.1:{PORT}"
    certificates: Certificates | None = None
    socket: str | None = None
    plaintext: str | None = None
    token: str | None = None


class Running(Record):
    """A server that answers. The addresses are those really bound, as ``Options`` has them."""

    tls: str | None
    socket: str | None
    plaintext: str | None
    server: grpc.aio.Server
    health: health.HealthServicer
    upkeep: asyncio.Task[None] | None = None

    async def stop(self, grace: float = limits.GRACE) -> None:
        """Take no more calls, let those that run end for so many seconds, then cut them off."""
        await self.health.enter_graceful_shutdown()
        if self.upkeep is not None:
            self.upkeep.cancel()
        await self.server.stop(grace)

    async def wait(self) -> None:
        """Return when the server has stopped."""
        await self.server.wait_for_termination()


async def serve(services: Sequence[Service], options: Options) -> Running:
    """Start a server with these services, health and reflection. Raises UsageError, OpenShellError, StateError."""
    collector = Collector()
    for add, servicer in services:
        add(servicer, collector)
    watched = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(watched, collector)
    for name in collector.services:
        await watched.set(name, health_pb2.HealthCheckResponse.SERVING)
    _add_reflection(collector)
    door = Doorkeeper(options.token, _user())
    server = grpc.aio.server(
        handlers=[Methods(collector.services, door)],
        options=limits.server_options(),
        maximum_concurrent_rpcs=limits.CALLS,
    )
    try:
        bound = _bind(server, options)
        await server.start()
    except BaseException:
        await server.stop(None)
        raise
    upkeep = asyncio.create_task(options.certificates.upkeep()) if options.certificates else None
    return Running(*bound, server, watched, upkeep)


def _add_reflection(collector: Collector) -> None:
    from grpc_reflection.v1alpha import _async, reflection_pb2_grpc  # type: ignore[import-untyped]

    names = (*collector.services, REFLECTION)
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(_async.ReflectionServicer(names), collector)


def _bind(server: grpc.aio.Server, options: Options) -> tuple[str | None, str | None, str | None]:
    tls = socket = plaintext = None
    if options.tls is not None:
        if options.certificates is None:
            raise UsageError("a TLS address needs certificates")
        tls = _bound(options.tls, server.add_secure_port, options.certificates.credentials())
    if options.plaintext is not None:
        host, _, _ = options.plaintext.rpartition(":")
        if not is_loopback(host.strip("[]")):
            raise UsageError(
                f"plaintext is offered on a loopback address only, not on {options.plaintext}",
                hint="use 127.0.0.1, or the TLS address",
                code="gateway.plaintext",
            )
        plaintext = _bound(options.plaintext, server.add_insecure_port)
    if options.socket is not None:
        socket = _bind_socket(server, options.socket)
    if tls is None and socket is None and plaintext is None:
        raise UsageError("a gateway listens somewhere: give it an address")
    return tls, socket, plaintext


def _bound(address: str, bind: Callable[..., int], *credentials: grpc.ServerCredentials) -> str:
    """Return the address with the port that was bound. Raises OpenShellError ``gateway.address``."""
    try:
        port = bind(address, *credentials)
    except RuntimeError:
        raise OpenShellError(
            f"cannot listen on {address}{_why_not(address)}",
            hint="another gateway may be running there (`openshell status`); choose another port, 0 for a free one",
            code="gateway.address",
        ) from None
    return f"{address.rpartition(':')[0]}:{port}"


def _why_not(address: str) -> str:
    """Return what the kernel says against an address: gRPC tells only that it failed."""
    host, _, port = address.removeprefix("unix:").rpartition(":")
    try:
        if address.startswith("unix:"):
            return ""
        family, kind, protocol, _, place = socketlib.getaddrinfo(host.strip("[]"), port, type=socketlib.SOCK_STREAM)[0]
        with socketlib.socket(family, kind, protocol) as trial:
            trial.setsockopt(socketlib.SOL_SOCKET, socketlib.SO_REUSEADDR, 1)
            trial.bind(place)
            trial.listen(1)
    except OSError as error:
        return f": {error.strerror}"
    return ""


def _bind_socket(server: grpc.aio.Server, path: str) -> str | None:
    """Bind a Unix socket (0600) in a folder of ours. One that nobody listens on any more is replaced."""
    if len(os.fsencode(path)) > LONGEST_SOCKET_PATH:
        LOG.warning("no Unix socket: %s is longer than %d bytes", path, LONGEST_SOCKET_PATH)
        return None
    os.close(open_folder(os.path.dirname(path)))
    _nobody_listens(path)
    before = os.umask(0o177)
    try:
        _bound(f"unix:{path}", server.add_insecure_port)
    finally:
        os.umask(before)
    return path


def _nobody_listens(path: str) -> None:
    """Raise OpenShellError where somebody answers at a socket: gRPC would take its name away."""
    with socketlib.socket(socketlib.AF_UNIX) as trial:
        try:
            trial.connect(path)
        except OSError:
            return
    raise OpenShellError(
        f"another gateway listens on {path}", hint="`openshell status` shows it", code="gateway.address"
    )


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
