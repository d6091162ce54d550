"""RPCs about policies: their revisions, what is in force, and changes to them."""

from __future__ import annotations

import asyncio

from openshell._proto import openshell_pb2, sandbox_pb2

from pyopenshell.errors import NoSuchSandbox, OpenShellError, PolicyRefused, UsageError
from pyopenshell.gateway import messages, policy_merge, policy_wire, provenance, revisions, validate
from pyopenshell.gateway.adopted import ORIGIN
from pyopenshell.gateway.record import record_of
from pyopenshell.gateway.scope import workspace_of
from pyopenshell.gateway.store import Conflict
from pyopenshell.policy.model import Policy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pyopenshell.gateway.box import Box
    from pyopenshell.gateway.engine import Engine
    from pyopenshell.gateway.store import Revision, Sandbox

STATUSES = {
    "pending": openshell_pb2.POLICY_STATUS_PENDING,
    "loaded": openshell_pb2.POLICY_STATUS_LOADED,
    "failed": openshell_pb2.POLICY_STATUS_FAILED,
    "superseded": openshell_pb2.POLICY_STATUS_SUPERSEDED,
}


class PolicyService:
    """Policies of sandboxes."""

    def __init__(self, engine: Engine) -> None:
        """Serve the policies of an engine's sandboxes."""
        self._engine = engine

    async def UpdateConfig(self, request: openshell_pb2.UpdateConfigRequest, _context: object) -> Any:  # noqa: N802
        """Change the network section of a sandbox's policy, as a whole or one by one."""
        _check_global(request)
        make = _change(request)
        validate.annotations(request.annotations)
        own = (policy_wire.RUNTIME, policy_wire.TEXT)
        told = {key: value for key, value in request.annotations.items() if key not in own}
        written = policy_wire.TEXT in request.annotations and request.HasField("policy")
        workspace = workspace_of(request)
        await self._refuse_runs(workspace, request.sandbox)
        box = self._engine.box(workspace, request.sandbox)
        # To its end also where the client vanishes: what the sandbox was told must be what is stored.
        revision = await asyncio.shield(
            self._change(box, make, told, request.expected_resource_version, written=written)
        )
        return openshell_pb2.UpdateConfigResponse(
            version=revision.version, policy_hash=revision.hash, annotations=revision.annotations
        )

    async def _change(
        self, box: Box, make: Callable[[Policy], Policy], annotations: dict[str, str], expected: int, *, written: bool
    ) -> Revision:
        async with box.lock:
            if box.is_deleted:
                raise NoSuchSandbox(f"there is no sandbox {box.row.name!r} any more")
            _check_expected(box.row, expected)
            revise = box.supervised.revise if box.supervised else None
            revision = await revisions.change(self._engine.store, box.row, make, revise, annotations, written=written)
            if revision.version != box.row.policy_version:
                version = box.row.resource_version + 1  # as the store has counted
                await self._engine.revised(
                    box, box.row.replace(policy_version=revision.version, resource_version=version)
                )
        return revision

    async def _refuse_runs(self, workspace: str, name: str) -> None:
        """Raise PolicyRefused for a sandbox of ``openshell run``, NoSuchSandbox for none."""
        row = await self._engine.get(workspace, name)
        if ORIGIN in row.annotations:
            raise PolicyRefused(
                f"the policy of {row.name} cannot be changed: `openshell run` started it, and keeps it",
                hint="what `openshell sandbox create` makes can be changed",
                code="sandbox.of-run",
            )

    async def GetSandboxConfig(  # noqa: N802
        self, request: sandbox_pb2.GetSandboxConfigRequest, _context: object
    ) -> Any:
        """Return the policy that is in force."""
        workspace = workspace_of(request)
        sandbox = await self._engine.get(workspace, request.name)
        revision = await revisions.find(self._engine.store, sandbox)
        newest = (await revisions.newest(self._engine.store, sandbox, 1))[0]
        return sandbox_pb2.GetSandboxConfigResponse(
            policy=policy_wire.to_wire(Policy.parse(revision.text)),
            version=revision.version,
            policy_hash=revision.hash,
            config_revision=newest.version,
            policy_source=sandbox_pb2.POLICY_SOURCE_SANDBOX,
            workspace=workspace,
            configuration_admitted=sandbox.policy_version > 0,
            configuration_error=newest.error,
        )

    async def GetGatewayConfig(self, _request: object, _context: object) -> Any:  # noqa: N802
        """Return the settings of the gateway for all sandboxes: it has none."""
        return sandbox_pb2.GetGatewayConfigResponse()

    async def GetSandboxPolicyStatus(  # noqa: N802
        self, request: openshell_pb2.GetSandboxPolicyStatusRequest, _context: object
    ) -> Any:
        """Return a revision, with its policy; version 0 is the one in force."""
        _check_global(request)
        workspace = workspace_of(request)
        sandbox = await self._engine.get(workspace, request.sandbox)
        revision = await revisions.find(self._engine.store, sandbox, request.version)
        message = _message(revision)
        policy = Policy.parse(revision.text)
        message.policy.CopyFrom(policy_wire.to_wire(policy))
        message.provenance.update(policy_wire.runtime_annotation(policy))
        if revision.version == sandbox.policy_version:
            message.provenance.update(await asyncio.to_thread(_provenance, sandbox))
        return openshell_pb2.GetSandboxPolicyStatusResponse(revision=message, active_version=sandbox.policy_version)

    async def ListSandboxPolicies(  # noqa: N802
        self, request: openshell_pb2.ListSandboxPoliciesRequest, _context: object
    ) -> Any:
        """Return revisions, the newest first, without their policies, which one answer might not hold."""
        _check_global(request)
        size = validate.page_size(request.page_size)
        if request.page_token and not (request.page_token.isascii() and request.page_token.isdigit()):
            raise UsageError("page_token is none of this gateway's", hint="give the token of the answer before")
        before = int(request.page_token[:18]) if request.page_token else None
        sandbox = await self._engine.get(workspace_of(request), request.sandbox)
        found = await revisions.newest(self._engine.store, sandbox, size + 1, before)
        told = [_message(one) for one in found[:size]]
        for message, revision in zip(told, found, strict=False):
            if message.version == sandbox.policy_version:
                message.provenance.update(policy_wire.runtime_annotation(Policy.parse(revision.text)))
                message.provenance.update(await asyncio.to_thread(_provenance, sandbox))
        return openshell_pb2.ListSandboxPoliciesResponse(
            revisions=told,
            next_page_token=str(found[size - 1].version) if len(found) > size else "",
        )


def _check_expected(row: Sandbox, expected: int) -> None:
    """Raise Conflict where a client has read another version than there is; 0: it does not say."""
    if expected and row.resource_version != expected:
        raise Conflict(
            f"{row.name} was changed since it was read (version {row.resource_version}, not {expected})",
            hint="read it again, and then decide",
        )


def _check_global(request: Any) -> None:
    if getattr(request, "global"):
        raise OpenShellError(
            "this gateway has no policy and no settings for all sandboxes",
            code="gateway.unimplemented",
            hint="leave --global out: each sandbox has its own policy",
        )


def _change(request: openshell_pb2.UpdateConfigRequest) -> Callable[[Policy], Policy]:
    """Return what a request makes of the newest policy. Raises UsageError."""
    if request.setting_key or request.delete_setting or request.HasField("setting_value"):
        raise UsageError(
            f"there is no setting {request.setting_key!r}: this gateway has none",
            hint="what can be chosen for a sandbox stands in its policy, or is given when it is created",
            code="setting.unknown",
        )
    if request.HasField("policy") == bool(request.merge_operations):
        raise UsageError("a change needs either policy or merge_operations", hint="send one of them")
    told = dict(request.annotations)

    def make(before: Policy) -> Policy:
        if request.HasField("policy") and policy_wire.TEXT in told:
            return policy_wire.to_policy(request.policy, told)  # a text is whole: its runtime section too
        runtime = {key: told[key] for key in told if key == policy_wire.RUNTIME}
        runtime = runtime or policy_wire.runtime_annotation(before)
        if request.HasField("policy"):
            return policy_wire.to_policy(request.policy, runtime)
        return policy_wire.to_policy(
            policy_merge.merged(policy_wire.to_wire(before), request.merge_operations), runtime
        )

    return make


def _message(revision: Revision) -> openshell_pb2.SandboxPolicyRevision:
    message = openshell_pb2.SandboxPolicyRevision(
        version=revision.version,
        policy_hash=revision.hash,
        status=STATUSES[revision.status],
        load_error=revision.error,
    )
    messages.moment(message.created_time, revision.created)
    if revision.loaded is not None:
        messages.moment(message.loaded_time, revision.loaded)
    return message


def _provenance(sandbox: Sandbox) -> dict[str, str]:
    """Return what the effective policy of a sandbox's run says in short; nothing where there is none (yet)."""
    view = record_of(sandbox) if sandbox.run_id else None
    effective = view.effective() if view else None
    return provenance.summary(effective) if effective else {}
