"""The launch plan: everything the child does, from an effective policy, and nothing that is not in it."""

import marshal
import os

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.devices import choices
from tests.unit.effective.cases import STEADY, USUAL, World, by_id, composed

from pyopenshell.devices.cdi.model import DeviceNode, Edits, Mount
from pyopenshell.devices.host import Namespaces
from pyopenshell.kernel import namespaces as ns
from pyopenshell.landlock.abi import MAX_ABI
from pyopenshell.landlock.downgrade import handled, names
from pyopenshell.launch import plan, private

ALL = Namespaces(user=True, mount=True, pid=True, net=True, ipc=True)
WORKLOAD = plan.Workload("/usr/bin/true", ("true", "-v"), {"PATH": "/usr/bin"}, "/home/me/project")
HIDDEN = private.Private(
    hide=("/run", "/tmp", "/dev/shm"),
    root="/run/openshell",
    tmp="/tmp",
    home="/run/openshell/home",
    cuda_cache="/run/openshell/cuda",
    canary="/run/openshell/canary",
    shm="/dev/shm",
    host=False,
)
ON_HOST = private.Private(
    hide=(),
    root="/tmp/openshell-1",
    tmp="/tmp/openshell-1/tmp",
    home="/tmp/openshell-1/home",
    cuda_cache="/tmp/openshell-1/cuda",
    canary="/tmp/openshell-1/canary",
    shm=None,
    host=True,
)


def planned(effective, *, abi=7, namespaces=ALL, own=HIDDEN):
    """Plan the launch of ``true -v``."""
    return plan.build(
        effective,
        WORKLOAD,
        handled=handled(abi, tcp=not namespaces.net),
        namespaces=namespaces,
        private=own,
        program=b"\0" * 16,
        terminal=False,
    )


PATHS = st.lists(st.sampled_from(["/data", "/data/set", "/etc/hosts", "/dev/sda", "/gone", "/data/new"]), unique=True)


@STEADY
@given(PATHS, PATHS, st.booleans(), st.integers(1, MAX_ABI))
def test_every_rule_is_a_grants(read_only, read_write, workdir, abi):
    """Each rule belongs to one planned grant, asks for no more than it, and no planned grant is without its rule."""
    inner = [path for path in read_only if not any(path.startswith(other) for other in read_write)]
    effective = composed(read_only=inner, read_write=read_write, include_workdir=workdir and not inner)
    found = planned(effective, abi=abi)
    grants = by_id(effective)
    wanted = {identifier for identifier, grant in grants.items() if grant.status == "planned"}
    assert wanted == {rule[0] for rule in found.rules}
    for identifier, path, _follow, mask in found.rules:
        grant = grants[identifier]
        assert path == (grant.resolved or grant.path)
        assert set(names(mask)) == set(grant.access) & set(handled(abi, tcp=False).fs)
    assert effective.digest == found.digest


def test_the_child_can_read_it():
    """It survives marshal, with nothing in it that is not plain data."""
    found = planned(composed(read_write=["/data"])).as_plain()
    assert found == marshal.loads(marshal.dumps(found))
    assert ("/usr/bin/true", bytes) == (found["workload"]["executable"], type(found["filter"]))


def test_only_a_missing_read_write_folder_is_made():
    """What is missing and declared read-only is not, nor what is there, nor what lies under a missing folder."""
    found = planned(composed(read_only=["/data/no"], read_write=["/data/new", "/data/set", "/gone/deep"]))
    assert [("declared/read_write:/data/new", "/data/new")] == list(found.create)


LINKED = World(
    folders=("/tmp/work", "/tmp/real/inner", "/run/service", "/data", "/usr"), files=("/tmp/tool", "/usr/x")
).link("/tmp/link", "/tmp/real")
LINKED.link("/data/out", "/tmp/real/inner")


def binds(own=HIDDEN, **fields):
    return planned(composed(resolve=LINKED.resolve, **fields), own=own).bind


def test_what_is_bound_back():
    """What is granted under a hidden mount point, writable where it is granted for writing; links lead as before."""
    found = binds(read_only=["/tmp/tool", "/run/service", "/usr/x"], read_write=["/tmp/work", "/tmp/link", "/data/out"])
    assert [
        ("/run/service", "/run/service", False),
        ("/tmp/link", "/tmp/real", True),
        ("/data/out", "/tmp/real/inner", True),
        ("/tmp/tool", "/tmp/tool", False),
        ("/tmp/work", "/tmp/work", True),
    ] == list(found)


def test_nothing_is_hidden_without_mounts():
    """Without a mount namespace there is nothing to bind back."""
    assert () == binds(ON_HOST, read_write=["/tmp/work"])


def test_private_folders_are_not_bound_back():
    """The private /tmp is not the host's, and what the runtime makes in /run is not there yet; a daemon's socket is."""
    assert () == planned(composed()).bind
    assert [("/run/nvidia-persistenced",) * 2 + (False,)] == list(planned(composed(gpu=0)).bind)


def test_what_is_shown_at_another_path():
    """It is bound there and nowhere else: not back, not writable by itself, no link; the rule is about that path."""
    nodes = (DeviceNode("/run/gpu", "/dev/nvidia0"), DeviceNode("/usr/gpu", "/dev/sda"))
    effective = composed(chosen=choices.by_spec(Edits(device_nodes=nodes)))
    found = planned(effective)
    assert [("/dev/nvidia0", "/run/gpu", 0), ("/dev/sda", "/usr/gpu", 0)] == [one[1:] for one in found.bound]
    assert {"/run/gpu", "/usr/gpu"} <= {path for _grant, path, _follow, _mask in found.rules}
    shown = {"/run/gpu", "/usr/gpu", "/dev/nvidia0", "/dev/sda"}
    assert shown.isdisjoint([*(real for _written, real, _writable in found.bind), *found.writable])
    assert () == found.links


def test_what_a_mount_does_not_allow():
    """As the grant: no writing, no executing; and no devices but those that are given as such."""
    mounts = (
        Mount("/data", "/usr/data", ("ro", "noexec")),
        Mount("/dev", "/usr/d"),
        Mount("/data", "/usr/more", ("ro",)),
    )
    found = planned(composed(chosen=choices.by_spec(Edits(mounts=mounts))))
    assert [
        ns.MOUNT_ATTR_RDONLY | ns.MOUNT_ATTR_NODEV | ns.MOUNT_ATTR_NOEXEC,
        ns.MOUNT_ATTR_RDONLY | ns.MOUNT_ATTR_NODEV,
    ] == [attributes for _grant, source, _target, attributes in found.bound if source == "/data"]


def test_unshare_flags():
    """Each namespace has its flag; none wanted, none asked for."""
    kinds = {
        "user": ns.CLONE_NEWUSER,
        "mount": ns.CLONE_NEWNS,
        "pid": ns.CLONE_NEWPID,
        "net": ns.CLONE_NEWNET,
        "ipc": ns.CLONE_NEWIPC,
    }
    for wanted, flag in kinds.items():
        assert flag == plan.unshare_flags({kind: kind == wanted for kind in kinds})
    assert sum(kinds.values()) == plan.unshare_flags(dict.fromkeys(kinds, True))
    assert 0 == plan.unshare_flags(dict.fromkeys(kinds, False))


def test_identity_and_canary():
    """The identity is the effective policy's; the canary lists /, which no grant allows here."""
    found = planned(composed())
    assert (1000, 1000, (1000,), os.geteuid() == 0) == (found.uid, found.gid, found.groups, found.change_identity)
    assert ("list", "/") == found.canary


def test_a_canary_where_the_root_is_granted():
    """Then listing / proves nothing: a file that is in no grant is tried instead."""
    effective = composed(read_only=["/"], resolve=USUAL.resolve)
    assert ("write", "/run/openshell/canary") == planned(effective).canary
