"""Which workspace a request is about."""

from __future__ import annotations

from pyopenshell.errors import UsageError
from pyopenshell.gateway.store import DEFAULT_WORKSPACE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def workspace_of(request: Any) -> str:
    """Return the workspace that a request names; the default one where it names none. Raises UsageError."""
    found = scope_of(request)
    if found is None:
        raise UsageError("workspace_scope: one workspace must be named here", code="workspace.all")
    return found


def scope_of(request: Any) -> str | None:
    """Return the workspace that a request names, or None for all of them."""
    if not request.HasField("workspace_scope"):
        return DEFAULT_WORKSPACE
    selector = request.workspace_scope
    if selector.WhichOneof("selection") == "all_workspaces":
        return None
    return str(selector.workspace) or DEFAULT_WORKSPACE
