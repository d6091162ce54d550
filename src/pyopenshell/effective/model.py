"""The effective policy: the one object that is both enforced and shown (docs/design.md, sections 4 and 7).

No code path gives an access right without a ``Grant`` here. Every ``Grant`` says where it comes from, why it is
there, and what became of it in the kernel.
"""

from __future__ import annotations

from pyopenshell.effective.canonical import canonical_bytes
from pyopenshell.policy.digest import sha256
from pyopenshell.record import Record, plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from pyopenshell.effective.devices import Devices
    from pyopenshell.effective.limits import Limit

SCHEMA = "pyopenshell.effective/1"
SEVERITIES = ("Informational", "Low", "Medium", "High", "Critical")
OUTCOME = "outcome."
"""How the codes of findings begin that tell what became of the plan. They are no part of it, nor of its digest."""


class Origin(Record):
    """Who asked for a grant.

    ``kind``: ``declared`` (``name`` is ``read_only`` or ``read_write``; ``file`` and ``line`` say where), ``workdir``,
    ``baseline`` (``process``, ``command``, ``proxy``, ``gpu``), ``cdi``, ``runtime``, ``contributor``.
    """

    kind: str
    name: str | None = None
    file: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        """Return the spelling used everywhere: ``baseline/gpu``, ``declared``, ``runtime/cuda-thread-names``."""
        return self.kind if self.kind in ("declared", "workdir") or not self.name else f"{self.kind}/{self.name}"


class Detail(Record):
    """What to know about a grant's status: the kernel's errno, the grant that gives it anyway, a sentence."""

    errno: int | None = None
    covered_by: str | None = None
    message: str | None = None


class Grant(Record):
    """One access right on one path, or a pattern a broker answers.

    ``access`` is what was requested, ``actual`` what the kernel accepted (Landlock right names).
    ``mechanism``: ``landlock``, ``broker``, ``seccomp``, ``namespace``.
    ``status``: ``planned``, then ``enforced``, ``skipped``, ``covered`` or ``blocked``.
    ``source`` is the host's file or folder that the sandbox sees at ``path``, where that is another one.
    """

    id: str
    path: str
    resolved: str | None
    access: tuple[str, ...]
    origin: Origin
    reason: str
    actual: tuple[str, ...] = ()
    mechanism: str = "landlock"
    status: str = "planned"
    detail: Detail = Detail()
    source: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the documented shape: ``source`` only where there is one, as in older records."""
        shape = super().as_dict()
        if self.source is None:
            del shape["source"]
        return shape

    @property
    def is_addition(self) -> bool:
        """Whether the runtime itself added it, to be listed under ``runtime_additions``."""
        return self.origin.kind in ("runtime", "contributor")


class Contributor(Record):
    """One third party that the policy names: what is installed under the name, and where the policy names it."""

    name: str
    distribution: str
    version: str
    entry_point: str
    file: str | None
    line: int | None


class Finding(Record):
    """Something an operator should know. ``code`` is stable; ``grant`` is the id of the grant it is about."""

    code: str
    severity: str
    message: str
    hint: str | None = None
    grant: str | None = None


class Identity(Record):
    """Whom the sandbox runs as. ``source`` says why (policy, account, workdir owner, dynamic, caller)."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    source: str
    user: str = "sandbox"
    home: str = "/"
    shell: str = "/bin/sh"


class Isolation(Record):
    """How one kind of resource is kept apart: ``private``, ``scoped``, ``filtered`` or ``open``, and by what."""

    state: str
    mechanism: str


class NetworkEntry(Record):
    """What became of one endpoint of one network policy."""

    name: str
    endpoint: str
    status: str
    detail: str


class Network(Record):
    """``mode``: none, proxy or host; ``mechanism`` says what enforces it."""

    mode: str
    mechanism: str
    entries: tuple[NetworkEntry, ...] = ()


class Dropped(Record):
    """A right this kernel does not know, the ABI it arrived with, and what follows.

    ``covered_by`` names the mechanism that closes the gap all the same, where one does.
    """

    right: str
    needs_abi: int
    consequence: str
    covered_by: str | None = None


class KernelLog(Record):
    """What of Landlock's denials the kernel puts into its log, where its audit subsystem is on.

    ``state``: ``denials`` (of the program and what it starts), ``off``, or ``missing`` (this kernel logs none).
    ``flags`` are what landlock_restrict_self(2) is told, ``quiet`` the paths at or beneath which nothing is logged.
    """

    state: str
    flags: tuple[str, ...] = ()
    quiet: tuple[str, ...] = ()


class LandlockReport(Record):
    """What Landlock handles in this sandbox, and what this kernel's ABI leaves out.

    ``log`` is None in older records, whose digests are about a shape without it.
    """

    compatibility: str
    abi: int
    handled: tuple[str, ...]
    dropped: tuple[Dropped, ...] = ()
    log: KernelLog | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the documented shape."""
        shape = super().as_dict()
        if self.log is None:
            del shape["log"]
        return shape


class SeccompReport(Record):
    """The syscall filter: SHA-256 of its program, the number of its instructions, and what it answers and why.

    Each of ``rows`` has ``syscall``, ``when``, ``action`` and ``reason``, some ``instead_of``, as in ``seccomp.row``.
    They are None in older records, whose digests are about a shape without them.
    """

    sha256: str
    count: int
    rows: tuple[dict[str, str], ...] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the documented shape. The rows are not copied: there are many, and nothing in them is a record."""
        shape: dict[str, Any] = {"sha256": self.sha256, "count": self.count}
        return shape if self.rows is None else {**shape, "rows": list(self.rows)}


class Effective(Record):
    """Everything a sandbox may do, with origin, reason and outcome.

    ``seccomp`` is empty until the filter was made, which depends on everything else. ``devices`` is None for a sandbox
    that asked for none, ``contributors`` are those that were asked, ``limits`` what was asked for of cgroups.
    """

    name: str
    run_id: str
    declared: dict[str, Any]
    file: str | None
    source_sha256: str
    identity: Identity
    grants: tuple[Grant, ...]
    network: Network
    isolation: dict[str, Isolation]
    landlock: LandlockReport
    seccomp: SeccompReport = SeccompReport("", 0)
    findings: tuple[Finding, ...] = ()
    state: str = "planned"
    devices: Devices | None = None
    contributors: tuple[Contributor, ...] = ()
    limits: tuple[Limit, ...] = ()

    @property
    def brokered(self) -> bool:
        """Whether some access goes through a broker."""
        return any(grant.mechanism == "broker" for grant in self.grants)

    @property
    def runtime_additions(self) -> tuple[Grant, ...]:
        """The grants the runtime added on its own account, whole."""
        return tuple(grant for grant in self.grants if grant.is_addition)

    @property
    def digest(self) -> str:
        """SHA-256 of the RFC 8785 JSON of the plan: what is asked for, without what became of it.

        Left out: the sandbox's ``state`` and ``run_id``; ``status``, ``detail`` and ``actual`` of grants, limits and
        network entries; findings about outcomes. Kept: the ``state`` of isolation, which the launch must achieve.
        """
        return sha256(self.plan_bytes())

    def plan_bytes(self) -> bytes:
        """Return what the digest is of."""
        return canonical_bytes(self._plan())

    def _plan(self) -> dict[str, Any]:
        shape = self._shape()
        shape["sandbox"] = {"name": self.name}
        for key in ("grants", "runtime_additions"):
            shape[key] = [_without(grant, "status", "detail", "actual") for grant in shape[key]]
        if self.limits:
            shape["limits"] = [_without(limit, "status", "detail", "actual", "mechanism") for limit in shape["limits"]]
        network = shape["network"]
        network["entries"] = [_without(entry, "status", "detail") for entry in network["entries"]]
        shape["findings"] = [found for found in shape["findings"] if not found["code"].startswith(OUTCOME)]
        return shape

    def _shape(self) -> dict[str, Any]:
        identity = self.identity
        return {
            "schema": SCHEMA,
            "sandbox": {"name": self.name, "run_id": self.run_id, "state": self.state},
            "declared": plain(self.declared),
            "source": {"file": self.file, "sha256": self.source_sha256},
            "identity": {key: plain(getattr(identity, key)) for key in ("uid", "gid", "groups", "source")},
            "grants": [grant.as_dict() for grant in self.grants],
            "runtime_additions": [grant.as_dict() for grant in self.runtime_additions],
            **({"devices": self.devices.as_dict()} if self.devices else {}),
            **({"contributors": [one.as_dict() for one in self.contributors]} if self.contributors else {}),
            **({"limits": [one.as_dict() for one in self.limits]} if self.limits else {}),
            "network": self.network.as_dict(),
            "isolation": plain(self.isolation),
            "landlock": self.landlock.as_dict(),
            "seccomp": self.seccomp.as_dict(),
            "findings": [finding.as_dict() for finding in self.findings],
        }

    def as_dict(self) -> dict[str, Any]:
        """Return the documented shape (docs/design.md, section 7)."""
        return {**self._shape(), "digest": self.digest}


def _without(values: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key not in keys}


def grant_id(origin: Origin, path: str) -> str:
    """Return the deterministic id of a grant: its origin and its path."""
    label = f"declared/{origin.name}" if origin.kind == "declared" else str(origin)
    return f"{label}:{path}"


def find(grants: Iterable[Grant], identifier: str) -> Grant | None:
    """Return the grant with this id, if there is one."""
    return next((grant for grant in grants if grant.id == identifier), None)
