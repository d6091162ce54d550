"""The store: what sandboxes there are to be, their policies and tokens, providers and workspaces (decision 0018)."""

from __future__ import annotations

from pyopenshell.gateway.store.errors import Conflict, NotKept, StillUsed
from pyopenshell.gateway.store.shapes import (
    DEFAULT_WORKSPACE,
    Phase,
    Provider,
    ProviderProfile,
    Revision,
    Sandbox,
    ServiceProfile,
    Status,
    Token,
    Workspace,
)
from pyopenshell.gateway.store.store import Store
from pyopenshell.gateway.store.thread import AsyncStore

__all__ = [
    "DEFAULT_WORKSPACE",
    "AsyncStore",
    "Conflict",
    "NotKept",
    "Phase",
    "Provider",
    "ProviderProfile",
    "Revision",
    "Sandbox",
    "ServiceProfile",
    "Status",
    "StillUsed",
    "Store",
    "Token",
    "Workspace",
]
