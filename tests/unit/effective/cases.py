"""Requests for composition, made of little: a world of a few paths, and everything else as on a good host."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from hypothesis import settings

from pyopenshell.baseline.model import Private
from pyopenshell.baseline.propose import propose
from pyopenshell.devices.host import Broker, Device, Host
from pyopenshell.effective import devices as given
from pyopenshell.effective.compose import Request, Resolved, compose
from pyopenshell.effective.model import Identity, Isolation, LandlockReport, Network
from pyopenshell.effective.paths import normal, parent, upward
from pyopenshell.landlock.downgrade import handled
from pyopenshell.policy.model import DeclaredPath, Endpoint, FilesystemPolicy, NetworkPolicy, Policy, Source
from tests.unit.devices import choices

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from pyopenshell.baseline.model import Proposal
    from pyopenshell.devices.choose import Chosen
    from pyopenshell.effective.model import Effective, Finding, Grant

STEADY = settings(deadline=None, derandomize=True, database=None)
"""Property tests that say the same on a busy machine, and in a checkout that cannot be written."""
PRIVATE = Private(tmp="/tmp", shm="/dev/shm", home="/run/openshell/home", cuda_cache="/run/openshell/cuda")
GOOD_HOST = Host("6.18.44", "x86_64", 7, broker=Broker("available"))
STATE = "/home/me/.local/state/openshell"
GPUS = tuple(
    Device(f"/dev/{name}", role, "nvidia", "A device.")
    for name, role in (("nvidiactl", "control"), ("nvidia-uvm", "control"), ("nvidia0", "gpu"))
)
ISOLATED = {
    "pid": Isolation("private", "pid namespace"),
    "mount": Isolation("private", "mount namespace"),
    "net": Isolation("private", "network namespace"),
    "user": Isolation("open", "none"),
    "signals": Isolation("private", "pid namespace"),
    "abstract_sockets": Isolation("private", "network namespace"),
    "pathname_sockets": Isolation("private", "mount namespace"),
}


class World:
    """A made-up disk: which paths there are, and where links lead. Answers as ``effective.resolve`` does."""

    def __init__(self, folders: Iterable[str] = (), files: Iterable[str] = (), devices: Iterable[str] = ()) -> None:
        self.kinds = {"/": "folder"}
        self.links: dict[str, tuple[str, bool]] = {}
        for kind, paths in (("folder", folders), ("file", files), ("device", devices)):
            for path in paths:
                self.kinds[path] = kind
                self.kinds.update((above, "folder") for above in upward(parent(path)))

    def link(self, path: str, target: str, *, foreign: bool = False) -> World:
        """Add a symbolic link to an absolute target."""
        self.links[path] = (target, foreign)
        return self

    def resolve(self, path: str) -> Resolved:
        links: list[str] = []
        place, foreign = normal(path), False
        while link := next((part for part in upward(place) if part in self.links), None):
            target, others = self.links[link]
            place, foreign, links = normal(target + place[len(link) :]), foreign or others, [*links, link]
            if len(links) > 40:
                return Resolved(None, errno.ELOOP)
        kind = self.kinds.get(place)
        if kind is None:
            blocked = any(self.kinds.get(above) in ("file", "device") for above in upward(place))
            creatable = not blocked and not links and parent(place) in self.kinds
            number = errno.ENOTDIR if blocked else errno.ENOENT
            return Resolved(None, number, links_by_others=foreign, place=place, creatable=creatable)
        return Resolved(place, 0, kind == "folder", kind == "device", foreign, place, links=tuple(links))


USUAL = World(
    folders=(
        "/usr/bin",
        "/usr/lib",
        "/usr/lib64",
        "/usr/sbin",
        "/etc",
        "/proc/driver/nvidia",
        "/proc/driver/nvidia-uvm",
        "/dev/pts",
        "/dev/shm",
        "/tmp",
        "/var/log",
        "/run/nvidia-persistenced",
        "/data/set",
        "/home/me/project/src",
        STATE,
    ),
    files=("/etc/hosts", "/usr/bin/python3.11"),
    devices=tuple(
        f"/dev/{name}"
        for name in ("null", "zero", "full", "random", "urandom", "tty", "nvidiactl", "nvidia-uvm", "nvidia0", "sda")
    ),
)
for _name in ("bin", "lib", "lib64", "sbin"):
    USUAL.link(f"/{_name}", f"/usr/{_name}")
USUAL.link("/dev/ptmx", "/dev/pts/ptmx").kinds["/dev/pts/ptmx"] = "device"


def declare(paths: Iterable[str], first_line: int) -> tuple[DeclaredPath, ...]:
    """Declare paths on consecutive lines."""
    return tuple(DeclaredPath(path, first_line + index, 7) for index, path in enumerate(paths))


def policy(
    *,
    read_only: Iterable[str] = (),
    read_write: Iterable[str] = (),
    include_workdir: bool = False,
    network: Iterable[str] = (),
    **fields: Any,
) -> Policy:
    """Return a policy of policy.yaml: read_only from line 10, read_write from line 110, network from line 210."""
    policies = tuple(
        NetworkPolicy(name, name, (Endpoint(f"{name}.example:443", 211),), line=210 + index)
        for index, name in enumerate(network)
    )
    return Policy(
        Source("policy.yaml", "0" * 64, ""),
        {"version": 1, "filesystem_policy": {"read_only": list(read_only), "read_write": list(read_write)}},
        filesystem=FilesystemPolicy(include_workdir, declare(read_only, 10), declare(read_write, 110)),
        network=policies,
        **fields,
    )


def request(
    policy: Policy,
    *,
    gpu: int | None = None,
    devices: tuple[Device, ...] = (),
    chosen: Chosen | None = None,
    proposals: tuple[Proposal, ...] | None = None,
    resolve: Callable[[str], Resolved] = USUAL.resolve,
    **fields: Any,
) -> Request:
    """Return a request in the working directory /home/me/project, with the baselines that a launch would propose.

    ``gpu`` asks for all of ``devices`` (-1) or for the runtime alone (0), by the table of nodes; ``chosen`` is another
    choice.
    """
    if gpu is not None and chosen is None:
        chosen = choices.by_table(gpu, devices)
    if chosen:
        report = given.report(chosen, (1000,), None)
        about: dict[str, Any] = {
            "cuda": chosen.selection.is_cuda,
            "devices": report,
            "about_devices": tuple(given.findings(chosen, report)),
            "environment": (("CUDA_CACHE_PATH", PRIVATE.cuda_cache),),
        }
        fields = about | fields
    rights = handled(7, tcp=False)
    landlock = LandlockReport(policy.compatibility, 7, (*rights.fs, *rights.scoped))
    values: dict[str, Any] = {
        "name": "demo",
        "run_id": "01J",
        "host": GOOD_HOST,
        "identity": Identity(1000, 1000, (1000,), "caller"),
        "workdir": "/home/me/project",
        "landlock": landlock,
        "network": Network("none", "network namespace"),
        "isolation": ISOLATED,
        "protected": ((STATE, "state"), ("/home/me/.config/openshell", "configuration")),
        "home": "/home/me",
    }
    if proposals is None:
        proposals = propose(PRIVATE, network="none", chosen=chosen)
    return Request(policy=policy, proposals=proposals, resolve=resolve, **(values | fields))


def composed(**fields: Any) -> Effective:
    """Compose a policy of these fields; those named as ``request``'s own go there."""
    own = ("gpu", "devices", "chosen", "proposals", "resolve", *Request._fields)
    mine = {name: value for name, value in fields.items() if name in own and name not in ("policy", "network")}
    rest = {name: value for name, value in fields.items() if name not in mine}
    return compose(request(policy(**rest), **mine))


def by_id(effective: Effective) -> dict[str, Grant]:
    """Return the grants by id, after checking that no id comes twice."""
    grants = {grant.id: grant for grant in effective.grants}
    assert len(effective.grants) == len(grants)
    return grants


def findings(effective: Effective, code: str) -> list[Finding]:
    """Return the findings of a code."""
    return [finding for finding in effective.findings if finding.code == code]


def codes(effective: Effective) -> set[str]:
    """Return the codes of all findings, less those of the usual host."""
    return {finding.code for finding in effective.findings} - {"isolation.user-open"}
