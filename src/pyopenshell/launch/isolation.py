"""How each kind of resource is kept apart on this host, from measured facts alone (pure)."""

from __future__ import annotations

from pyopenshell.effective.model import Dropped, Isolation, KernelLog, LandlockReport
from pyopenshell.effective.paths import MOUNT_POINTS
from pyopenshell.landlock.downgrade import LOG_ABI, QUIET_ABI, Handled, handled, log_flags

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyopenshell.devices.host import Namespaces
    from pyopenshell.policy.model import Policy

OPEN = Isolation("open", "none")
MOUNTS = "mount namespace: empty /run, private /tmp and /dev/shm"
VIEW = "mount namespace: the host's files are read-only but for writable grants"
FILTER = "seccomp filter: only AF_UNIX sockets"


def isolation(namespaces: Namespaces, landlock: Handled, hide: tuple[str, ...]) -> dict[str, Isolation]:
    """Return the state and mechanism of every kind, strongest mechanism first.

    ``hide`` are the mount points made private: one that the operator declared shows the host's sockets again.
    """

    def namespace(made: bool, name: str) -> Isolation | None:
        return Isolation("private", f"{name} namespace") if made else None

    def scope(right: str) -> Isolation | None:
        return Isolation("scoped", f"landlock {right}") if right in landlock.scoped + landlock.fs else None

    sockets = scope("resolve_unix")
    if sockets is None and namespaces.mount:
        shown = [point for point in MOUNT_POINTS if point not in hide]
        sockets = (
            Isolation("open", f"declared: the host's {' and '.join(shown)}") if shown else Isolation("private", MOUNTS)
        )
    return {
        "pid": namespace(namespaces.pid, "pid") or OPEN,
        "mount": Isolation("private", VIEW) if namespaces.mount else OPEN,
        "net": namespace(namespaces.net, "network") or Isolation("filtered", FILTER),
        "user": namespace(namespaces.user, "user") or OPEN,
        "ipc": namespace(namespaces.ipc, "ipc") or OPEN,
        "signals": namespace(namespaces.pid, "pid") or scope("signal") or OPEN,
        "abstract_sockets": namespace(namespaces.net, "network") or scope("abstract_unix_socket") or OPEN,
        "pathname_sockets": sockets or OPEN,
    }


def with_sockets(kinds: dict[str, Isolation], reachable: tuple[str, ...]) -> dict[str, Isolation]:
    """Return the same, with the truth about sockets that are in view all the same: mounts hide some places only."""
    if not reachable or kinds["pathname_sockets"].state == "open":
        return kinds
    return {**kinds, "pathname_sockets": Isolation("open", f"{MOUNTS}; others are in view")}


def landlock_report(policy: Policy, abi: int, namespaces: Namespaces) -> tuple[Handled, LandlockReport]:
    """Return what Landlock handles here and the report on it.

    Network rights are wanted only without a network namespace: inside one they would close loopback too.
    """
    wanted = not namespaces.net
    result = handled(abi, tcp=wanted, udp=wanted)
    covers: dict[str, str | None] = {
        "truncate": "seccomp filter: truncate(2), O_TRUNC without a write mode and openat2 are denied",
        "refer": "this ABI denies every rename and link between folders" if abi else None,
        "bind_tcp": FILTER,
        "connect_tcp": FILTER,
        "bind_udp": FILTER,
        "connect_send_udp": FILTER,
        "abstract_unix_socket": "network namespace" if namespaces.net else None,
        "signal": "pid namespace" if namespaces.pid else None,
        "resolve_unix": MOUNTS if namespaces.mount else None,
    }
    dropped = tuple(
        Dropped(right.name, right.abi, right.consequence, covers.get(right.name)) for right in result.dropped
    )
    rights = result.fs + result.net + result.scoped
    return result, LandlockReport(policy.compatibility, abi, rights, dropped, kernel_log(policy, abi))


def kernel_log(policy: Policy, abi: int) -> KernelLog:
    """Return what of the denials the kernel shall log (docs/decisions/0011)."""
    return KernelLog(
        policy.kernel_log if abi >= LOG_ABI else "missing",
        log_flags(abi, policy.kernel_log),
        policy.kernel_log_quiet if abi >= QUIET_ABI and policy.kernel_log == "denials" else (),
    )


def network_mechanism(namespaces: Namespaces) -> str:
    """Say what keeps the sandbox off the network."""
    return "network namespace with only loopback" if namespaces.net else FILTER
