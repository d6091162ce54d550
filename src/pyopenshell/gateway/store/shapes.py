"""What the store keeps: sandboxes, revisions of their policies, tokens, providers, workspaces and profiles.

Times are milliseconds since 1970, in UTC.
"""

from __future__ import annotations

from typing import Literal

from pyopenshell.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Phase = Literal["PROVISIONING", "READY", "COMPLETED", "STOPPING", "STOPPED", "STARTING", "DELETING", "ERROR"]
"""What a sandbox is doing, as clients are told."""
Status = Literal["pending", "loaded", "failed", "superseded"]
"""What became of a revision."""
DEFAULT_WORKSPACE = "default"
"""The workspace that is always there."""


class Sandbox(Record):
    """A sandbox that is to be, and what was last known of it."""

    id: str
    workspace: str
    name: str
    labels: dict[str, str]
    annotations: dict[str, str]
    spec: bytes
    """A serialized ``openshell.v1.SandboxSpec``; its policy is cleared, for the revisions hold that."""
    phase: Phase
    reason: str
    message: str
    run_id: str | None
    exit_code: int | None
    workdir: str | None
    policy_version: int
    """The revision that is in force; 0 before one was loaded."""
    restarts: int
    resource_version: int
    """Grows with every change."""
    created: int
    main_started: int | None
    request_id: str
    """The client's own number of its request to create; "" when it gave none."""


class Revision(Record):
    """One version of a sandbox's policy, as the operator declared it."""

    sandbox_id: str
    version: int
    hash: str
    text: str
    """YAML."""
    status: Status
    error: str
    created: int
    loaded: int | None
    annotations: dict[str, str]


class Token(Record):
    """A token for SSH, of which only the digest is kept (SHA-256, hexadecimal)."""

    digest: str
    sandbox_id: str
    created: int
    expires: int
    revoked: int | None


class Provider(Record):
    """Where credentials come from. Neither ``repr`` nor ``as_dict`` shows them."""

    id: str
    workspace: str
    name: str
    type: str
    labels: dict[str, str]
    credentials: dict[str, str]
    config: dict[str, str]
    expirations: dict[str, int]
    """When each credential ends."""
    resource_version: int
    created: int

    def __repr__(self) -> str:
        """Show every field, but of the credentials only their names."""
        return f"Provider({', '.join(f'{name}={value!r}' for name, value in self.as_dict().items())})"

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as plain values, credentials as names."""
        return {**super().as_dict(), "credentials": sorted(self.credentials)}


class Workspace(Record):
    """A group of sandboxes and providers."""

    name: str
    labels: dict[str, str]
    created: int
    resource_version: int


class Profile(Record):
    """A serialized message that is kept for clients by name. ``workspace`` is "" for one that is for all."""

    workspace: str
    name: str
    data: bytes


class ServiceProfile(Profile):
    """A profile of a service."""


class ProviderProfile(Profile):
    """A profile of a type of provider."""
