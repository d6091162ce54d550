"""What an operator should know about the host's shortcomings and about grants that reach far."""

from __future__ import annotations

import errno

from pyopenshell.devices.host import LANDLOCK_SINCE
from pyopenshell.effective.model import Finding, NetworkEntry
from pyopenshell.effective.paths import inside, is_own_proc, normal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyopenshell.effective.declared import Placed
    from pyopenshell.effective.request import Request
    from pyopenshell.policy.model import NetworkPolicy

NETWORK = "network.denied"
"""The code of findings about network policies."""
OPEN: dict[str, tuple[str, str]] = {
    "pid": ("Medium", "processes outside the sandbox are seen in /proc"),
    "mount": ("Medium", "the host's /run, /tmp and /dev/shm are in view, closed by Landlock alone"),
    "net": ("Medium", "the host's network can be reached"),
    "user": ("Informational", "user ids are the host's"),
    "ipc": ("Medium", "System V and POSIX message queues and semaphores of the host can be reached"),
    "signals": ("Medium", "processes of the same user outside the sandbox can be signalled"),
    "abstract_sockets": ("Medium", "abstract Unix sockets of the host can be connected to"),
    "pathname_sockets": ("High", "pathname Unix sockets of the host can be connected to, whatever the grants say"),
}
"""What follows when a kind of isolation is ``open``: (severity, consequence)."""
NO_MOUNTS_NO_LANDLOCK = "the host's /run, /tmp and /dev/shm are in view, closed by file modes alone"
NO_LANDLOCK: dict[int, tuple[str, str]] = {
    0: ("--max-abi 0 leaves nothing of Landlock", "leave --max-abi out"),
    errno.ENOSYS: (
        "this kernel has no Landlock (ENOSYS)",
        f"Linux {LANDLOCK_SINCE[1]} or newer with CONFIG_SECURITY_LANDLOCK is needed",
    ),
    errno.EOPNOTSUPP: (
        "this kernel has Landlock, but it was not switched on at boot (EOPNOTSUPP)",
        "add landlock to the kernel's lsm= parameter and reboot; /sys/kernel/security/lsm lists what is on now",
    ),
    errno.EPERM: (
        "something around this process forbids Landlock (EPERM), a container's seccomp profile perhaps",
        "allow landlock_create_ruleset, landlock_add_rule and landlock_restrict_self there",
    ),
}
"""By how the kernel answered landlock_create_ruleset(2) (0: it was not asked): the cause, and what to do."""


def no_landlock(number: int) -> tuple[str, str]:
    """Return why there is no Landlock and what to do, from the kernel's answer (see ``NO_LANDLOCK``)."""
    other = f"Landlock cannot be used here ({errno.errorcode.get(number, number)})", "'openshell doctor' says more"
    return NO_LANDLOCK.get(number, other)


def _writers(grants: Iterable[Placed]) -> list[Placed]:
    """Return the grants that let something of the host be written."""
    return [item for item in grants if item.writes and not item.private and item.grant.status == "planned"]


def _reaches(item: Placed, path: str) -> bool:
    """Whether a grant is about a path of the host: by its own, or by what it shows elsewhere."""
    return any(inside(path, place) for place in item.places)


def home(request: Request, grants: Iterable[Placed]) -> list[Finding]:
    """Report every grant that makes the caller's ``$HOME`` writable ("else it is a High finding")."""
    if not request.home:
        return []
    place = request.resolve(request.home).place or normal(request.home)
    return [
        Finding(
            "home.writable",
            "High",
            f"{item.label} makes your home folder {place} writable, and with it what your own programs start from",
            "grant the folders that are to be written, not the whole home folder",
            item.grant.id,
        )
        for item in _writers(grants)
        if _reaches(item, place)
    ]


def secrets(request: Request, grants: Iterable[Placed]) -> list[Finding]:
    """Report grants that let a sandbox of the caller's own uid read the gateway's token and client keys.

    With a mount namespace the folders that hold them are out of sight; for another uid they are closed.
    """
    if request.isolation["mount"].state == "private" or request.identity.source != "caller":
        return []
    folders = [(request.resolve(path).place or normal(path), what) for path, what in request.protected]
    return [
        Finding(
            "openshell.readable",
            "High",
            f"{item.label} lets the sandbox read openshell's {what} folder {folder}, with the keys to your gateway",
            "grant the folders that are to be read, not the one that encloses it: no mount namespace hides it here",
            item.grant.id,
        )
        for item in grants
        if "read_file" in item.grant.access and not item.private and item.grant.status == "planned"
        for folder, what in folders
        if what != "program" and any(inside(folder, place) or inside(place, folder) for place in item.places)
    ]


def policy_file(request: Request, grants: Iterable[Placed]) -> list[Finding]:
    """Report a policy that the sandbox may rewrite: what it writes there, its next run would be granted."""
    place = request.resolve(request.policy_file).real if request.policy_file else None
    if place is None:
        return []
    return [
        Finding(
            "policy.writable",
            "Medium",
            f"{item.label} lets the sandbox rewrite its own policy {place}, which the next run would follow",
            "keep the policy outside the folders it grants for writing",
            item.grant.id,
        )
        for item in _writers(grants)
        if _reaches(item, place)
    ]


def own_code(request: Request, grants: Iterable[Placed]) -> list[Finding]:
    """Report every grant that lets the sandbox rewrite the command that confines it. Root's is refused instead."""
    return [
        Finding(
            "openshell.writable",
            "High",
            f"{item.label} lets the sandbox rewrite openshell itself, in {folder}: the next one would not hold",
            "install openshell outside the folders that sandboxes may write",
            item.grant.id,
        )
        for item in _writers(grants)
        for folder in request.own_code
        if any(inside(folder, place) or inside(place, folder) for place in item.places)
    ]


def special_files(grants: Iterable[Placed]) -> list[Finding]:
    """Report what a read-only path loses in a private folder: Landlock adds up the rules on the way to the root.

    A read-only mount keeps its files and folders as they are; FIFOs and devices a mount does not restrict.
    """
    planned = [item for item in grants if item.grant.status == "planned"]
    private = [item for item in planned if item.private and item.writes]
    return [
        Finding(
            "private.special-files",
            "Low",
            f"{item.grant.path} is read-only and lies in {outer.place}, which is writable: FIFOs and devices in it can "
            "be written where file modes allow",
            f"keep it outside {outer.place}",
            item.grant.id,
        )
        for item in planned
        for outer in private
        if not item.writes and not item.private and item.is_dir and inside(item.place, outer.place)
    ]


def own_proc(grants: Iterable[Placed]) -> list[Finding]:
    """Report declared paths that mean another folder for every process: a rule is about one of them."""
    return [
        Finding(
            "declared.own-proc",
            "Medium",
            f"{item.label} is another file for every process: the rule is about the sandbox's first process, and gives "
            "the program nothing",
            "declare /proc itself, or nothing: reading is granted, and --gpu lets a process name its own threads",
            item.grant.id,
        )
        for item in grants
        if is_own_proc(item.grant.path) and item.grant.status == "planned"
    ]


def landlock(request: Request) -> list[Finding]:
    """Report what this kernel lacks: "best_effort forgives what this kernel lacks, right by right, and says so"."""
    report = request.landlock
    if report.abi == 0:
        cause, remedy = no_landlock(request.host.landlock_errno)
        return [Finding("landlock.unconfined", "High", f"{cause}: no path is closed by this sandbox", remedy)]
    findings = []
    for gap in report.dropped:
        kernel = (
            f"{gap.right} needs Landlock ABI {gap.needs_abi}, and {report.abi} is in use (Linux {request.host.release})"
        )
        if gap.covered_by is not None:
            text = f"{kernel}: instead, {gap.covered_by}"
            findings.append(Finding("landlock.right-replaced", "Informational", text))
        else:
            text = f"{kernel}: {gap.consequence}"
            hint = (
                f"Linux {LANDLOCK_SINCE[gap.needs_abi]} closes this; "
                "landlock.compatibility: hard_requirement refuses to go on without"
            )
            findings.append(Finding("landlock.right-missing", "Medium", text, hint))
    return [*findings, *kernel_log(request)]


def kernel_log(request: Request) -> list[Finding]:
    """Report what this kernel cannot do about the log of denials. It takes nothing from the sandbox."""
    log, policy = request.landlock.log, request.policy
    if log is None or policy.kernel_log == "off":
        return []
    if log.state == "missing":
        text = (
            "the kernel logs nothing of what Landlock denies the program: that needs Landlock ABI 7, and "
            f"{request.landlock.abi} is in use (Linux {request.host.release})"
        )
        return [Finding("landlock.log-missing", "Informational", text)]
    if policy.kernel_log_quiet and not log.quiet:
        text = (
            f"what is denied beneath {', '.join(policy.kernel_log_quiet)} is logged like all else: leaving it out "
            f"needs Landlock ABI 10, and {request.landlock.abi} is in use"
        )
        return [Finding("landlock.quiet-missing", "Low", text)]
    return []


def isolation(request: Request) -> list[Finding]:
    """Report every kind of resource that is not kept apart; for sockets, which ones can be reached."""
    findings = []
    for kind, entry in request.isolation.items():
        if entry.state != "open":
            continue
        severity, consequence = OPEN.get(kind, ("Medium", f"{kind} is shared with the host"))
        if kind == "mount" and not request.landlock.abi:
            consequence = NO_MOUNTS_NO_LANDLOCK
        if kind == "pathname_sockets" and request.reachable_sockets:
            consequence = f"{consequence}: {', '.join(request.reachable_sockets)}"
        hint = "namespaces would keep it apart; `openshell doctor` says why there are none"
        if kind == "pathname_sockets" and request.host.namespaces.mount:
            hint = "a kernel with Landlock ABI 9 keeps them apart; until then close what listens there to this user"
        code = f"isolation.{kind.replace('_', '-')}-open"
        findings.append(Finding(code, severity, consequence, hint if severity != "Informational" else None))
    return findings


def granted_sockets(request: Request) -> list[Finding]:
    """Report programs outside that listen in a granted folder: what they do for clients, they do for the sandbox."""
    if not request.granted_sockets:
        return []
    paths = ", ".join(request.granted_sockets)
    message = f"programs outside the sandbox listen in folders that it may write, and can be connected to: {paths}"
    return [Finding("granted.unix-sockets", "Medium", message, "grant folders without sockets of other programs")]


def network(policies: Iterable[NetworkPolicy]) -> tuple[tuple[NetworkEntry, ...], list[Finding]]:
    """List every network policy as skipped: "Nothing is accepted and ignored"."""
    entries: list[NetworkEntry] = []
    findings = []
    detail = "denied: network policies are not enforced one by one in this version, so nothing is let through"
    for policy in policies:
        labels = [endpoint.label for endpoint in policy.endpoints] or [""]
        entries.extend(NetworkEntry(policy.name, label, "skipped", detail) for label in labels)
        where = f" (line {policy.line})" if policy.line else ""
        named = ", ".join(label for label in labels if label) or "no endpoint"
        message = f"network policy {policy.name}{where} is not granted, its endpoints stay denied: {named}"
        hint = "a program that needs them will fail to connect; remove the entry to silence this"
        findings.append(Finding(NETWORK, "Low", message, hint))
    return tuple(entries), findings
