"""The launch plan: everything the child will do, as plain data it can read with ``marshal`` and a person can read.

Building a plan touches nothing. The child executes it step by step (``launch.child``).
"""

from __future__ import annotations

import marshal
import os

from pyopenshell.effective.paths import inside, is_own_proc
from pyopenshell.kernel import namespaces as ns
from pyopenshell.landlock import downgrade
from pyopenshell.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from pyopenshell.devices.host import Namespaces
    from pyopenshell.effective.model import Effective, Grant
    from pyopenshell.landlock.downgrade import Handled
    from pyopenshell.launch.private import Private

STEPS = (
    "descriptors",
    "session",
    "namespaces",
    "fork init",
    "preparation",
    "mounts",
    "terminal",
    "path descriptors",
    "identity",
    "working directory",
    "no_new_privs",
    "landlock",
    "seccomp",
    "canary",
    "receipt",
    "go",
    "exec",
)
"""The numbered steps of a launch, in order."""


class Workload(Record):
    """What is run: ``executable`` is an absolute path, ``argv`` its arguments from argv[0], ``environment`` in full."""

    executable: str
    argv: tuple[str, ...]
    environment: dict[str, str]
    workdir: str


class Plan(Record):
    """A launch, ready to be executed once.

    ``rules`` are (grant id, path, symlinks allowed, Landlock mask). ``brokered`` are the ids of the grants that a
    broker serves; ``broker`` says that it is this sandbox's own, not that of a sandbox around it. ``thread_names`` is
    the mechanism chosen for CUDA's thread names, and why. ``log`` names the flags of Landlock's logging, ``quiet`` the
    paths whose denials are not logged. ``bound`` are (grant id, the host's path, where the sandbox sees it,
    MOUNT_ATTR_* of the mount).
    """

    digest: str
    workload: Workload
    uid: int
    gid: int
    groups: tuple[int, ...]
    change_identity: bool
    namespaces: dict[str, bool]
    create: tuple[tuple[str, str], ...]
    rules: tuple[tuple[str, str, bool, int], ...]
    bind: tuple[tuple[str, str, bool], ...]
    writable: tuple[str, ...]
    links: tuple[tuple[str, str], ...]
    mask: tuple[str, ...]
    private: dict[str, Any]
    handled: tuple[int, int, int]
    confined: bool
    filter: bytes
    filter_sha256: str
    terminal: bool
    canary: tuple[str, str]
    brokered: tuple[str, ...] = ()
    broker: bool = False
    thread_names: dict[str, str] | None = None
    log: tuple[str, ...] = ()
    quiet: tuple[str, ...] = ()
    bound: tuple[tuple[str, str, str, int], ...] = ()

    def as_plain(self) -> dict[str, Any]:
        """Return the plan as marshal-able data, for the child."""
        return {**self.as_dict(), "filter": self.filter}


ARRANGING = ("create", "rules", "bind", "writable", "links", "mask", "quiet", "bound")
"""The parts of a plan that only who arranges the sandbox's view of the host needs to know (``launch.arrange``)."""


def divided(plain: dict[str, Any]) -> dict[str, Any]:
    """Return a plan, as plain data, for an init that stays small: the arranging is a child's (``arranging``)."""
    kept = {name: value for name, value in plain.items() if name not in ARRANGING}
    return kept | {"arranging": marshal.dumps({name: plain[name] for name in ARRANGING})}


def build(
    effective: Effective,
    workload: Workload,
    *,
    handled: Handled,
    namespaces: Namespaces,
    private: Private,
    program: bytes,
    terminal: bool,
    mask: tuple[str, ...] = (),
    confined: bool = True,
    broker: bool = False,
) -> Plan:
    """Turn an effective policy into a plan (pure, but for the caller's uid).

    ``mask`` are folders of the host that the sandbox is not even shown: Landlock leaves chmod(2) and the like alone.
    ``broker``: the sandbox has one of its own, and ``program`` notifies it.
    """
    identity = effective.identity
    rules = [grant for grant in effective.grants if grant.mechanism == "landlock" and grant.status == "planned"]
    return Plan(
        digest=effective.digest,
        workload=workload,
        uid=identity.uid,
        gid=identity.gid,
        groups=identity.groups,
        change_identity=os.geteuid() == 0,
        namespaces={name: getattr(namespaces, name) for name in ("user", "mount", "pid", "net", "ipc")},
        create=tuple((grant.id, _on_host(grant.path, effective.grants)) for grant in rules if _to_create(grant)),
        rules=tuple(_rule(grant, handled) for grant in rules),
        bind=_binds(rules, private),
        writable=_writable(rules, private, namespaces) if namespaces.mount else (),
        links=_links(effective.grants, private.hide),
        mask=tuple(os.path.realpath(folder) for folder in mask) if namespaces.mount else (),
        private=private.as_dict(),
        handled=(
            downgrade.mask(handled.fs),
            downgrade.mask(handled.net),
            downgrade.mask(handled.scoped),
        ),
        confined=confined,
        filter=program,
        filter_sha256=effective.seccomp.sha256,
        terminal=terminal,
        canary=_canary(rules, private),
        brokered=tuple(grant.id for grant in effective.grants if grant.mechanism == "broker"),
        broker=broker,
        thread_names=_thread_names(effective),
        log=effective.landlock.log.flags if effective.landlock.log else (),
        quiet=effective.landlock.log.quiet if effective.landlock.log else (),
        bound=tuple(_bound(effective.grants)),
    )


def unshare_flags(namespaces: dict[str, bool]) -> int:
    """Return the flags for unshare(2)."""
    flags = {
        "user": ns.CLONE_NEWUSER,
        "mount": ns.CLONE_NEWNS,
        "pid": ns.CLONE_NEWPID,
        "net": ns.CLONE_NEWNET,
        "ipc": ns.CLONE_NEWIPC,
    }
    return sum(flag for name, flag in flags.items() if namespaces[name])


def _to_create(grant: Grant) -> bool:
    return grant.origin.kind == "declared" and grant.origin.name == "read_write" and grant.resolved is None


def _on_host(path: str, grants: tuple[Grant, ...]) -> str:
    """Return the host's path of what the sandbox will have at a path: something else may be shown there."""
    if not any(grant.source for grant in grants):
        return path
    from pyopenshell.effective.names import Names

    return Names(grants).on_host(path)


def _rule(grant: Grant, handled: Handled) -> tuple[str, str, bool, int]:
    """Open by the resolved path, where no symlink may stand any more: a race then fails instead of widening."""
    path = grant.resolved or grant.path
    own = is_own_proc(path)
    return grant.id, path, own, downgrade.mask(downgrade.allowed(grant.access, handled))


def _binds(grants: list[Grant], private: Private) -> tuple[tuple[str, str, bool], ...]:
    """Return what to bind back under the hidden mount points, outermost first: (as written, resolved, writable)."""
    found: dict[str, tuple[str, bool]] = {}
    for grant in grants:
        real = grant.resolved or grant.path
        ours = grant.source or real in (private.shm, private.tmp) or (inside(real, private.root) and not private.host)
        if not ours and any(inside(path, point) for path in (real, grant.path) for point in private.hide):
            written, writable = found.get(real, (grant.path, False))
            found[real] = written, writable or "write_file" in grant.access
    if private.host and any(inside(private.canary, point) for point in private.hide):
        found[private.canary] = private.canary, True
    return tuple((written, real, writable) for real, (written, writable) in sorted(found.items()))


def _writable(grants: list[Grant], private: Private, namespaces: Namespaces) -> tuple[str, ...]:
    """Return what stays writable where the rest of the host is a read-only mount: what is granted for writing.

    Not what gets a file system of its own: private folders, terminals, and procfs with a pid namespace. Nor devices,
    which a read-only mount does not keep from being written to, nor what lies where something else is shown.
    """
    shown = [grant.resolved for grant in grants if grant.source and grant.resolved]
    own = (*private.hide, "/dev/pts", *(["/proc"] if namespaces.pid else []), *shown)
    files = (grant for grant in grants if not grant.source and "ioctl_dev" not in grant.access)
    paths = {grant.resolved or grant.path for grant in files if "write_file" in grant.access}
    paths |= set() if namespaces.pid else {"/proc"}
    if private.host:
        paths.add(private.canary)
    return tuple(sorted(path for path in paths if not any(inside(path, point) for point in own)))


def _links(grants: tuple[Grant, ...], hide: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Return the hidden links to make again: (as written, resolved).

    Covered grants count: they have no rule and no mount of their own, but their paths are used as written too.
    """
    used = [(grant.path, grant.resolved) for grant in grants if grant.status in ("planned", "covered")]
    return tuple(
        sorted(
            {
                (path, real)
                for path, real in used
                if real and path != real and any(inside(path, point) for point in hide)
            }
        )
    )


def _bound(grants: tuple[Grant, ...]) -> Iterator[tuple[str, str, str, int]]:
    """Yield what the sandbox sees at another path. Covered ones too: a rule above gives the right, not the file.

    What the grant does not give the mount does not allow either. Devices come as devices, not in folders.
    """
    for grant in grants:
        if grant.source and grant.resolved and grant.status in ("planned", "covered"):
            attributes = 0 if "write_file" in grant.access else ns.MOUNT_ATTR_RDONLY
            if "ioctl_dev" not in grant.access:
                attributes |= ns.MOUNT_ATTR_NODEV | (0 if "execute" in grant.access else ns.MOUNT_ATTR_NOEXEC)
            yield grant.id, grant.source, grant.resolved, attributes


def _thread_names(effective: Effective) -> dict[str, str] | None:
    found = next((finding for finding in effective.findings if finding.code.startswith("cuda.thread-names.")), None)
    if not found:
        return None
    mechanism = next((grant.mechanism for grant in effective.runtime_additions if grant.id == found.grant), "none")
    return {"mechanism": mechanism, "why": found.message}


def _canary(rules: list[Grant], private: Private) -> tuple[str, str]:
    """Return (operation, path) of an access that file modes allow and no grant does."""
    if any((grant.resolved or grant.path) == "/" for grant in rules):
        return "write", private.canary
    return "list", "/"
