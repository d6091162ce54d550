"""Sandboxes over gRPC: create, get, list, stop, start, delete; and what a gateway says of itself."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from openshell._proto import openshell_pb2, sandbox_pb2

from pyopenshell import __version__
from pyopenshell.errors import NoSuchSandbox, OpenShellError, UsageError
from pyopenshell.gateway import asked, messages, policy_wire, revisions, validate, wanting
from pyopenshell.gateway.auth import caller
from pyopenshell.gateway.exposures import requested
from pyopenshell.gateway.scope import scope_of, workspace_of
from pyopenshell.gateway.wanting import NewSandbox
from pyopenshell.policy.model import Policy

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from grpc.aio import ServicerContext

    from pyopenshell.gateway.engine import Engine
    from pyopenshell.gateway.exposures import Exposures
    from pyopenshell.gateway.store import Sandbox

    Context = ServicerContext[Any, Any]

WORKDIR = "pyopenshell/workdir"
"""The annotation with a folder of the host to work in, instead of one of the sandbox's own."""
PROTOCOL = "0.1.5"
"""The version of OpenShell's protocol that is served, if nothing else is said."""
_REMEMBERED = 64
"""Policies as the protocol has them: who waits for a sandbox asks for it again and again."""


class SandboxService:
    """The life of sandboxes."""

    def __init__(
        self, engine: Engine, exposures: Exposures, fingerprint: Callable[[str], str], protocol: str = PROTOCOL
    ) -> None:
        """Serve the sandboxes of an engine. ``fingerprint`` returns that of the host key of a sandbox, by its id."""
        self._engine = engine
        self._exposures = exposures
        self._fingerprint = fingerprint
        self._protocol = protocol
        self._policies: dict[tuple[str, int], sandbox_pb2.SandboxPolicy] = {}

    async def Health(  # noqa: N802
        self, _request: openshell_pb2.HealthRequest, _context: Context
    ) -> openshell_pb2.HealthResponse:
        """Tell that it serves, and which protocol."""
        return openshell_pb2.HealthResponse(status=openshell_pb2.SERVICE_STATUS_HEALTHY, version=self._protocol)

    async def GetGatewayInfo(  # noqa: N802
        self, _request: openshell_pb2.GetGatewayInfoRequest, _context: Context
    ) -> openshell_pb2.GetGatewayInfoResponse:
        """Tell the version, and what the only driver can do."""
        info = openshell_pb2.GetGatewayInfoResponse(
            status=openshell_pb2.SERVICE_STATUS_HEALTHY, gateway_version=self._protocol
        )
        driver = info.compute_drivers.add(name="local")
        driver.capabilities.driver_name, driver.capabilities.driver_version = "pyopenshell", __version__
        can = driver.capabilities.resource_capabilities
        can.cpu.limit_supported = can.memory.limit_supported = True
        can.gpu.default_selection_supported = can.gpu.count_selection_supported = True
        return info

    async def GetCurrentUser(  # noqa: N802
        self, _request: openshell_pb2.GetCurrentUserRequest, _context: Context
    ) -> openshell_pb2.GetCurrentUserResponse:
        """Tell who calls."""
        who = caller()
        return openshell_pb2.GetCurrentUserResponse(
            subject=who.subject, display_name=who.subject, roles=who.roles, identity_provider=who.provider
        )

    async def CreateSandbox(  # noqa: N802
        self, request: openshell_pb2.CreateSandboxRequest, _context: Context
    ) -> openshell_pb2.SandboxResponse:
        """Make a sandbox; it is ready when this answers."""
        asked.check(request)
        services = requested(request)
        row = await self._engine.create(_new(request))
        try:
            urls = await self._exposures.expose(row.workspace, row.name, services)
        except BaseException:
            await asyncio.shield(self._engine.delete(row.workspace, row.name))
            raise
        return openshell_pb2.SandboxResponse(
            sandbox=await self._whole(self._engine.box(row.workspace, row.name).row), service_urls=urls
        )

    async def GetSandbox(  # noqa: N802
        self, request: openshell_pb2.GetSandboxRequest, _context: Context
    ) -> openshell_pb2.SandboxResponse:
        """Return a sandbox, with the policy that is in force."""
        row = await self._engine.get(workspace_of(request), request.name)
        return openshell_pb2.SandboxResponse(sandbox=await self._whole(row))

    async def ListSandboxes(  # noqa: N802
        self, request: openshell_pb2.ListSandboxesRequest, _context: Context
    ) -> openshell_pb2.ListSandboxesResponse:
        """Return a page of sandboxes, the oldest first; a page's token is the id of its last one."""
        matches = validate.selector(request.label_selector)
        size = validate.page_size(request.page_size)
        rows = [row for row in await self._engine.list(scope_of(request)) if matches(row.labels)]
        start = validate.after(request.page_token, [row.id for row in rows])
        page = messages.fitting(map(self._message, rows[start : start + size]))
        more = page[-1].metadata.id if page and start + len(page) < len(rows) else ""
        return openshell_pb2.ListSandboxesResponse(sandboxes=page, next_page_token=more)

    async def StopSandbox(  # noqa: N802
        self, request: openshell_pb2.StopSandboxRequest, _context: Context
    ) -> openshell_pb2.SandboxResponse:
        """End its processes."""
        return self._answer(await self._engine.stop(workspace_of(request), request.name))

    async def StartSandbox(  # noqa: N802
        self, request: openshell_pb2.StartSandboxRequest, _context: Context
    ) -> openshell_pb2.SandboxResponse:
        """Start it again."""
        return self._answer(await self._engine.start(workspace_of(request), request.name))

    async def DeleteSandbox(  # noqa: N802
        self, request: openshell_pb2.DeleteSandboxRequest, _context: Context
    ) -> openshell_pb2.DeleteSandboxResponse:
        """Delete it; nothing is left of it when this answers."""
        try:
            row = await self._engine.delete(workspace_of(request), request.name)
        except NoSuchSandbox:
            if not request.allow_missing:
                raise
            return openshell_pb2.DeleteSandboxResponse(outcome=openshell_pb2.DELETION_OUTCOME_ALREADY_ABSENT)
        return openshell_pb2.DeleteSandboxResponse(outcome=openshell_pb2.DELETION_OUTCOME_COMPLETED, sandbox_id=row.id)

    def _message(self, row: Sandbox) -> openshell_pb2.Sandbox:
        return messages.sandbox(row, self._fingerprint(row.id))

    async def _whole(self, row: Sandbox) -> openshell_pb2.Sandbox:
        """Return a sandbox's message with its policy, which lists leave out; without one that cannot be read."""
        message = self._message(row)
        key = row.id, row.policy_version
        if key not in self._policies:
            try:
                revision = await revisions.find(self._engine.store, row)
                policy = policy_wire.to_wire(Policy.parse(revision.text))
            except OpenShellError:  # a run that is being removed: all else is told
                return message
            if len(self._policies) >= _REMEMBERED:
                self._policies.clear()
            self._policies[key] = policy
        message.spec.policy.CopyFrom(self._policies[key])
        return message

    def _answer(self, row: Sandbox) -> openshell_pb2.SandboxResponse:
        return openshell_pb2.SandboxResponse(sandbox=self._message(row))


def _new(request: openshell_pb2.CreateSandboxRequest) -> NewSandbox:
    """Return what is asked for, checked. Raises UsageError, PolicyError."""
    if request.name:
        validate.sandbox_name(request.name)
    validate.labels(request.labels)
    spec = request.spec
    if spec.command:
        validate.argv(spec.command)
    validate.environment(spec.environment, "spec.environment")
    validate.environment(spec.template.environment, "spec.template.environment")
    if request.workload_template:
        raise UsageError("workload_template: this gateway keeps no templates", code="template.unsupported")
    wanting.refuse(spec)
    wanting.resources(spec)
    policy = policy_wire.requested(spec.policy if spec.HasField("policy") else None, request.annotations)
    kept = openshell_pb2.SandboxSpec()
    kept.CopyFrom(spec)
    kept.ClearField("policy")
    return NewSandbox(
        workspace=workspace_of(request),
        name=request.name,
        labels=dict(request.labels),
        annotations={key: value for key, value in request.annotations.items() if key != policy_wire.TEXT},
        spec=kept.SerializeToString(),
        providers=tuple(spec.providers),
        policy=policy,
        policy_hash=policy_wire.digest(policy),
        workdir=_workdir(request),
        request_id=request.request_id,
        held=request.await_main_process_attachment,
    )


def _workdir(request: openshell_pb2.CreateSandboxRequest) -> str | None:
    """Return the folder of the host that a client of this machine wants to work in. Raises UsageError."""
    folder = request.annotations.get(WORKDIR)
    if folder is None:
        return None
    if not caller().local:
        raise UsageError(f"annotation {WORKDIR}: only clients of this machine name folders of it")
    if not folder.startswith("/") or "\0" in folder:
        raise UsageError(f"annotation {WORKDIR}: {folder!r} is no absolute path")
    return folder
