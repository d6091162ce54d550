"""How each kind of resource is kept apart: a table over what a host has."""

import itertools

import pytest

from pyopenshell.devices.host import Namespaces
from pyopenshell.effective.model import Isolation, KernelLog
from pyopenshell.effective.paths import MOUNT_POINTS
from pyopenshell.landlock.abi import MAX_ABI, RIGHTS
from pyopenshell.landlock.downgrade import handled
from pyopenshell.landlock.ruleset import LOG_FLAGS
from pyopenshell.launch import isolation
from pyopenshell.policy.default import default

ALL = Namespaces(user=True, mount=True, pid=True, net=True, ipc=True)
NONE = Namespaces()
KINDS = ("user", "mount", "pid", "net", "ipc")


def states(namespaces, abi, hide=MOUNT_POINTS):
    """Return the state of every kind."""
    found = isolation.isolation(namespaces, handled(abi, tcp=not namespaces.net), hide if namespaces.mount else ())
    return {kind: entry.state for kind, entry in found.items()}


def test_with_all_namespaces():
    """Everything is private, whatever Landlock has; from ABI 9 on it closes sockets by itself."""
    for abi in range(1, 9):
        assert {"private"} == set(states(ALL, abi).values())
    assert {"private", "scoped"} == set(states(ALL, 9).values())


@pytest.mark.parametrize("abi", range(1, MAX_ABI + 1))
def test_with_none(abi):
    """The network is filtered; signals and sockets are scoped by the ABI that can; the rest is open and so reported."""
    expected = dict.fromkeys(("pid", "mount", "user", "ipc"), "open") | {"net": "filtered"}
    expected |= dict.fromkeys(("signals", "abstract_sockets"), "scoped" if abi >= 6 else "open")
    assert expected | {"pathname_sockets": "scoped" if abi >= 9 else "open"} == states(NONE, abi)


@pytest.mark.parametrize("kind", KINDS)
def test_each_namespace_counts_alone(kind):
    """One namespace makes its own kind private, and of the others only what follows from it."""
    follows = {"pid": {"signals"}, "net": {"abstract_sockets"}, "mount": {"pathname_sockets"}}.get(kind, set())
    found = states(NONE.replace(**{kind: True}), 1)
    assert {kind, *follows} == {name for name, state in found.items() if state == "private"}


@pytest.mark.parametrize("shown", MOUNT_POINTS)
def test_a_mount_point_that_is_the_hosts(shown):
    """A declared one shows the host's sockets again: open, and the mechanism names it."""
    hide = tuple(point for point in MOUNT_POINTS if point != shown)
    found = isolation.isolation(ALL, handled(8, tcp=False), hide)["pathname_sockets"]
    assert ("open", True) == (found.state, shown in found.mechanism)


def test_sockets_that_are_in_view_all_the_same():
    """Mounts hide some places: where a socket elsewhere was found, nothing is claimed."""
    kinds = isolation.isolation(ALL, handled(8, tcp=False), MOUNT_POINTS)
    assert kinds == isolation.with_sockets(kinds, ())
    found = isolation.with_sockets(kinds, ("/var/lib/socket",))
    assert {"pathname_sockets"} == {kind for kind in kinds if kinds[kind] != found[kind]}
    assert "open" == found["pathname_sockets"].state
    open_already = {"pathname_sockets": Isolation("open", "none")}
    assert open_already == isolation.with_sockets(open_already, ("/tmp/socket",))


MADE = [
    NONE.replace(**dict(zip(KINDS, made, strict=True))) for made in itertools.product((False, True), repeat=len(KINDS))
]


@pytest.mark.parametrize("abi", range(MAX_ABI + 1))
def test_the_report_leaves_no_right_out(abi):
    """Whatever the namespaces: every right wanted is handled, or dropped with its consequence and a true stand-in."""
    for namespaces in MADE:
        result, report = isolation.landlock_report(default(), abi, namespaces)
        wanted = {right.name for right in RIGHTS if right.kind != "net" or not namespaces.net}
        dropped = {entry.right: entry for entry in report.dropped}
        assert wanted == {*report.handled, *dropped}
        assert not set(report.handled) & set(dropped)
        assert report.handled == result.fs + result.net + result.scoped
        assert all(entry.consequence and entry.needs_abi > abi for entry in dropped.values())
        stand_ins = {
            "signal": namespaces.pid,
            "abstract_unix_socket": namespaces.net,
            "resolve_unix": namespaces.mount,
            "ioctl_dev": False,
        }
        for right, there in stand_ins.items():
            assert right not in dropped or there == (dropped[right].covered_by is not None)


@pytest.mark.parametrize(
    ("abi", "wanted", "expected"),
    [
        (0, "denials", KernelLog("missing")),
        (6, "off", KernelLog("missing")),
        (7, "denials", KernelLog("denials", ("same_exec_off", "new_exec_on"))),
        (9, "off", KernelLog("off", ("same_exec_off", "subdomains_off"))),
        (10, "denials", KernelLog("denials", ("same_exec_off", "new_exec_on"), ("/root",))),
        (MAX_ABI + 1, "off", KernelLog("off", ("same_exec_off", "subdomains_off"))),
    ],
)
def test_the_kernels_log(abi, wanted, expected):
    """No flag before ABI 7, no quiet path before 10; the kernel never sees one that it does not know."""
    policy = default().replace(kernel_log=wanted, kernel_log_quiet=("/root",))
    assert expected == isolation.kernel_log(policy, abi)
    assert set(expected.flags) <= set(LOG_FLAGS)
