"""Revisions of a sandbox's policy: which there are, what may change, and what a new one takes.

A sandbox's first revision is made with it. Filesystem, Landlock, process and runtime sections are in the kernel, and
fixed for a sandbox's life; the network section may change. What the runtime adds is never part of a revision.
"""

from __future__ import annotations

import asyncio

from pyopenshell.errors import OpenShellError, PolicyRefused, SandboxGone
from pyopenshell.gateway import policy_wire
from pyopenshell.gateway.adopted import ORIGIN
from pyopenshell.gateway.record import record_of
from pyopenshell.gateway.store import NotKept, Revision, Store
from pyopenshell.gateway.store.sandboxes import now
from pyopenshell.policy.model import Policy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping

    from pyopenshell.gateway.store import AsyncStore, Sandbox, Status

SHOWN = 4
"""Paths that a refusal names of each kind."""


def of_policy(sandbox_id: str, version: int, policy: Policy, annotations: Mapping[str, str] | None = None) -> Revision:
    """Return a revision of a policy that is not in force yet."""
    return Revision(
        sandbox_id=sandbox_id,
        version=version,
        hash=policy_wire.digest(policy),
        text=policy.source.text,
        status="pending",
        error="",
        created=now(),
        loaded=None,
        annotations=dict(annotations or {}),
    )


async def newest(store: AsyncStore, row: Sandbox, limit: int, before: int | None = None) -> list[Revision]:
    """Return revisions of a sandbox, the newest first: at most ``limit``, of versions below ``before``.

    A sandbox of ``openshell run`` has one, which its run record holds. Raises NoRecord, StateError.
    """
    if ORIGIN not in row.annotations:
        return await store.call(Store.revisions, row.id, limit, before)
    policy = Policy.parse(await asyncio.to_thread(record_of(row).policy_text))
    only = of_policy(row.id, 1, policy).replace(status="loaded", created=row.created, loaded=row.created)
    return [only] if before is None or before > 1 else []


async def find(store: AsyncStore, row: Sandbox, version: int = 0) -> Revision:
    """Return a revision of a sandbox; 0: the one in force. Raises NotKept, NoRecord, StateError."""
    version = version or row.policy_version
    if ORIGIN in row.annotations and version == 1:
        return (await newest(store, row, 1))[0]
    try:
        return await store.call(Store.revision, row.id, version)
    except NotKept as error:
        raise NotKept(
            f"sandbox {row.name} has no policy of revision {version}",
            hint=f"openshell policy list {row.name} shows those there are",
            code=error.code,
        ) from None


async def change(
    store: AsyncStore,
    sandbox: Sandbox,
    make: Callable[[Policy], Policy],
    revise: Callable[[str], Awaitable[None]] | None,
    annotations: Mapping[str, str] | None = None,
    *,
    written: bool = False,
) -> Revision:
    """Let a sandbox have another network section; return the revision that is in force then.

    One that says the same as before is no new revision. ``make`` turns the policy that is in force into the wanted one.
    ``revise`` tells the running sandbox; None: it is not running, and its next start takes the new revision.
    ``annotations`` are the client's, for the revision; with ``written`` the text of what ``make`` returns is somebody's
    own, and kept as it is. The caller sees to it that one change is made at a time.

    Raises PolicyRefused when a fixed section would change; what ``make`` raises; what ``revise`` raises, when the
    revision is kept as failed and what was in force stays so; Conflict; StateError.
    """
    current = await store.call(Store.revision, sandbox.id, sandbox.policy_version)
    before = Policy.parse(current.text)
    after = make(before)
    check_fixed(before, after, sandbox.name)
    policy = with_network(before, after)
    if policy_wire.digest(policy) == policy_wire.digest(before):
        return current
    if written:  # the other sections say the same, in words of its own
        policy = after
    last = (await store.call(Store.revisions, sandbox.id, 1))[0].version
    revision = of_policy(sandbox.id, last + 1, policy, annotations)
    await store.call(Store.add_revision, revision)
    try:
        if revise is not None:
            await revise(revision.text)
    except SandboxGone:
        pass  # it ended just now: its next start takes the revision
    except OpenShellError as error:
        await _settle(store, revision, "failed", error=error.message)
        raise
    return await _settle(store, revision, "loaded", loaded=now())


async def _settle(
    store: AsyncStore, revision: Revision, status: Status, error: str = "", loaded: int | None = None
) -> Revision:
    return await store.call(
        Store.update_revision, revision.sandbox_id, revision.version, status=status, error=error, loaded=loaded
    )


def with_network(before: Policy, after: Policy) -> Policy:
    """Return a policy that is declared as one, but for its network section, which is that of another."""
    network = after.declared.get("network_policies") or {}
    return policy_wire.to_parsed({**before.declared, "network_policies": network})


def check_fixed(before: Policy, after: Policy, name: str) -> None:
    """Raise PolicyRefused (``policy.fixed``) when a section would change that is fixed for a sandbox's life."""
    changes = list(differences(before, after))
    if changes:
        raise PolicyRefused(
            f"these parts of a policy are fixed while a sandbox lives: {'; '.join(changes)}",
            code="policy.fixed",
            hint=f"start from `openshell policy get {name} --base` and change network_policies alone; for anything "
            "else delete the sandbox and create it anew with the new policy",
        )


def differences(before: Policy, after: Policy) -> Iterator[str]:
    """Tell what of the fixed sections differs, each with its key and both values."""
    old, new = before.filesystem, after.filesystem
    yield from _value("filesystem_policy.include_workdir", old.include_workdir, new.include_workdir)
    for key in ("read_only", "read_write"):
        sides = [[entry.path for entry in getattr(side, key)] for side in (old, new)]
        yield from _paths(f"filesystem_policy.{key}", *sides)
    yield from _value("landlock.compatibility", before.compatibility, after.compatibility)
    for key in ("run_as_user", "run_as_group"):
        yield from _value(f"process.{key}", getattr(before.process, key), getattr(after.process, key))
    for key in ("cuda_thread_names", "kernel_log"):
        yield from _value(f"runtime.{key}", getattr(before, key), getattr(after, key))
    yield from _paths("runtime.kernel_log_quiet", before.kernel_log_quiet, after.kernel_log_quiet)
    names = [[one.name for one in side.contributors] for side in (before, after)]
    yield from _paths("runtime.contributors", *names)


def _value(key: str, old: object, new: object) -> Iterator[str]:
    if old != new:
        yield f"{key} is {_shown(old)} and would be {_shown(new)}"


def _shown(value: object) -> str:
    return "not set" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _paths(key: str, old: Iterable[str], new: Iterable[str]) -> Iterator[str]:
    lost, more = sorted(set(old) - set(new)), sorted(set(new) - set(old))
    parts = [f"{verb} {_some(paths)}" for verb, paths in (("lose", lost), ("gain", more)) if paths]
    if parts:
        yield f"{key} would {' and '.join(parts)}"


def _some(paths: list[str]) -> str:
    more = len(paths) - SHOWN
    return ", ".join(paths[:SHOWN]) + (f" and {more} more" if more > 0 else "")
