"""RPCs about workspaces: groups of sandboxes and providers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from openshell._proto import datamodel_pb2, openshell_pb2

from pyopenshell.gateway import messages, validate
from pyopenshell.gateway.store import NotKept, Store, Workspace
from pyopenshell.gateway.store.sandboxes import now

if TYPE_CHECKING:
    from pyopenshell.gateway.engine import Engine


class WorkspaceService:
    """Workspaces. ``default`` is always there."""

    def __init__(self, engine: Engine) -> None:
        """Serve the workspaces of an engine's store."""
        self._store = engine.store

    async def CreateWorkspace(  # noqa: N802
        self, request: openshell_pb2.CreateWorkspaceRequest, _context: object
    ) -> openshell_pb2.CreateWorkspaceResponse:
        """Make a workspace."""
        validate.sandbox_name(request.name)
        validate.labels(request.labels)
        made = await self._store.call(Store.add_workspace, Workspace(request.name, dict(request.labels), now(), 1))
        return openshell_pb2.CreateWorkspaceResponse(workspace=_message(made))

    async def GetWorkspace(  # noqa: N802
        self, request: openshell_pb2.GetWorkspaceRequest, _context: object
    ) -> openshell_pb2.GetWorkspaceResponse:
        """Return a workspace."""
        found = await self._store.call(Store.workspace, request.name)
        return openshell_pb2.GetWorkspaceResponse(workspace=_message(found))

    async def ListWorkspaces(  # noqa: N802
        self, request: openshell_pb2.ListWorkspacesRequest, _context: object
    ) -> openshell_pb2.ListWorkspacesResponse:
        """Return a page of workspaces, by name."""
        matches, size = validate.selector(request.label_selector), validate.page_size(request.page_size)
        found = [one for one in await self._store.call(Store.workspaces) if matches(one.labels)]
        start = validate.after(request.page_token, [one.name for one in found])
        page = found[start : start + size]
        return openshell_pb2.ListWorkspacesResponse(
            workspaces=[_message(one) for one in page],
            next_page_token=page[-1].name if start + size < len(found) else "",
        )

    async def DeleteWorkspace(  # noqa: N802
        self, request: openshell_pb2.DeleteWorkspaceRequest, _context: object
    ) -> openshell_pb2.DeleteWorkspaceResponse:
        """Remove an empty workspace."""
        if await self._store.call(Store.remove_workspace, request.name):
            return openshell_pb2.DeleteWorkspaceResponse(outcome=openshell_pb2.DELETION_OUTCOME_COMPLETED)
        if not request.allow_missing:
            raise NotKept(f"there is no workspace {request.name!r}", code="workspace.unknown")
        return openshell_pb2.DeleteWorkspaceResponse(outcome=openshell_pb2.DELETION_OUTCOME_ALREADY_ABSENT)


def _message(workspace: Workspace) -> datamodel_pb2.Workspace:
    meta = datamodel_pb2.ObjectMeta(
        id=workspace.name,  # a name is never given twice at a time, and there is nothing else to tell them apart
        name=workspace.name,
        labels=workspace.labels,
        resource_version=workspace.resource_version,
    )
    messages.moment(meta.created_time, workspace.created)
    status = datamodel_pb2.WorkspaceStatus(phase=datamodel_pb2.WORKSPACE_PHASE_ACTIVE)
    return datamodel_pb2.Workspace(metadata=meta, status=status)
