"""HTTP services of sandboxes, each at a port of this host's loopback: whoever is on this host can connect to it.

Which ports they have is kept in an annotation of the sandbox, so that they are the same after a restart of the gateway.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from typing import TYPE_CHECKING

from pyopenshell.errors import OpenShellError
from pyopenshell.gateway import relay
from pyopenshell.gateway.validate import FieldError
from pyopenshell.policy.problems import show
from pyopenshell.record import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from openshell._proto import openshell_pb2

    from pyopenshell.gateway.box import Box
    from pyopenshell.gateway.engine import Engine

LOG = logging.getLogger("pyopenshell.gateway")
ANNOTATION = "pyopenshell/services"
"""Where a sandbox's services are kept: JSON, written by the gateway alone."""
HOST = "127.0.0.1"
MOST = 16
"""Services of one sandbox."""
CONNECTIONS = 256
"""Connections at once to one service; the next ones are sent away."""
_PASSES = 2  # SERVICE_AUTHORIZATION_MODE_BEARER_PASSTHROUGH
_NAME = re.compile(r"[a-z0-9]|(?=.{2,19}\Z)[a-z0-9]((?!--)[a-z0-9-])*[a-z0-9]")
"""A label of a host's name; OpenShell's clients hold these to 19 characters."""


class Service(Record):
    """A service: its name ("" for the unnamed one), the port inside, ours (0: any), and whether it sees credentials."""

    name: str
    target: int
    port: int = 0
    with_authorization: bool = False


def requested(request: openshell_pb2.CreateSandboxRequest) -> tuple[Service, ...]:
    """Return the services that a request asks for. Raises FieldError."""
    field, asked = "service_exposures", request.service_exposures
    if ANNOTATION in request.annotations:
        raise FieldError("annotations", f"{ANNOTATION} is the gateway's own", hint="service_exposures asks for ports")
    if len(asked) > MOST:
        raise FieldError(field, f"has {len(asked)} entries, the most is {MOST}", code="limit.entries")
    if len({one.service for one in asked}) < len(asked):
        raise FieldError(field, "two services have one name")
    for one in asked:
        if one.service and not _NAME.fullmatch(one.service):
            raise FieldError(
                f"{field}.service", f"{show(one.service)} is no name", hint="use at most 19 of a-z, 0-9 and single '-'"
            )
        if not 1 <= one.target_port <= 65535:
            raise FieldError(f"{field}.target_port", f"{one.target_port} is not a port", hint="use 1 to 65535")
    return tuple(Service(one.service, one.target_port, 0, one.authorization_mode == _PASSES) for one in asked)


class Exposures:
    """The services of all sandboxes of an engine, while the gateway runs."""

    def __init__(self, engine: Engine) -> None:
        """Serve none yet: ``recover``."""
        self._engine = engine
        self._servers: dict[str, list[asyncio.Server]] = {}
        self._carrying: set[asyncio.Task[None]] = set()
        engine.on_end.append(self._ended)

    async def recover(self) -> None:
        """Serve what was served before this gateway: at the same ports, where nobody else has them by now."""
        for box in self._engine.boxes():
            kept = box.row.annotations.get(ANNOTATION)
            if kept:
                await self._open(box, tuple(Service(**one) for one in json.loads(kept)))

    async def expose(self, workspace: str, name: str, services: tuple[Service, ...]) -> Mapping[str, str]:
        """Serve a sandbox's services; return the address of each, by its name. Raises OpenShellError."""
        box = self._engine.box(workspace, name)
        if services and box.row.id not in self._servers:
            await self._open(box, services)
        kept = json.loads(box.row.annotations.get(ANNOTATION, "[]"))
        return {one["name"]: f"http://{HOST}:{one['port']}" for one in kept}

    async def _open(self, box: Box, services: tuple[Service, ...]) -> None:
        servers = self._servers[box.row.id] = []
        try:
            for one in services:
                servers.append(await self._listen(box, one))
        except OSError as error:
            self._close(box.row.id)
            raise OpenShellError(f"no port can be opened on {HOST}: {error.strerror}", code="service.port") from error
        ports = [server.sockets[0].getsockname()[1] for server in servers]
        kept = [one.replace(port=port).as_dict() for one, port in zip(services, ports, strict=True)]
        box.change(annotations={**box.row.annotations, ANNOTATION: json.dumps(kept)})

    async def _listen(self, box: Box, service: Service) -> asyncio.Server:
        """Open a service's port; another where its own was taken while no gateway ran."""
        free = asyncio.Semaphore(CONNECTIONS)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            carrying = asyncio.current_task()
            if carrying:  # always: asyncio calls this in a task
                self._carrying.add(carrying)
            try:
                await self._carry(box, service, free, reader, writer)
            finally:
                self._carrying -= {carrying}
                writer.close()

        try:
            return await asyncio.start_server(serve, HOST, service.port, limit=relay.HEAD)
        except OSError:
            if not service.port:
                raise
            LOG.warning("port %d of sandbox %s was taken: it gets another", service.port, box.row.name)
            return await asyncio.start_server(serve, HOST, 0, limit=relay.HEAD)

    async def _carry(
        self,
        box: Box,
        service: Service,
        free: asyncio.Semaphore,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        if free.locked():
            await relay.refuse(writer, "503 Service Unavailable", "this service has too many connections")
            return
        async with free:
            await relay.carry(
                reader,
                writer,
                lambda: box.alive().connect_tcp(HOST, service.target),
                with_authorization=service.with_authorization,
            )

    def _ended(self, id_: str) -> None:
        """Close what belongs to a sandbox that was deleted; one that only stopped keeps its ports."""
        if all(box.row.id != id_ for box in self._engine.boxes()):
            self._close(id_)

    def _close(self, id_: str) -> None:
        for server in self._servers.pop(id_, ()):
            server.close()

    async def close(self) -> None:
        """Serve nothing any more."""
        for id_ in tuple(self._servers):
            self._close(id_)
        carrying = tuple(self._carrying)
        for task in carrying:
            task.cancel()
        await asyncio.gather(*carrying, return_exceptions=True)
