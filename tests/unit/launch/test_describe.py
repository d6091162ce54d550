"""The plan in words, as ``openshell run --explain`` shows it."""

from tests.unit.effective.cases import composed
from tests.unit.launch.test_plan import LINKED, ON_HOST, planned

from pyopenshell.devices.host import Namespaces
from pyopenshell.launch.describe import describe
from pyopenshell.launch.plan import STEPS

NONE = Namespaces()


def lines(found):
    """Return the descriptions by the names of their steps, having checked numbers and order."""
    described = [line.partition(": ") for line in describe(found)]
    assert [f"{n:2} {name}" for n, name in enumerate(STEPS, 1)] == [head for head, _, _ in described]
    return {head[3:]: words for head, _, words in described}


def test_with_namespaces():
    """Every step in order; namespaces, private folders, created folders and numbers are the plan's."""
    words = lines(planned(composed(read_write=["/data/new"])))
    assert "unshare user, mount, pid, net, ipc" == words["namespaces"]
    assert "fork the sandbox's first process (pid 1)" == words["fork init"]
    assert "create /data/new" == words["preparation"]
    assert "the host read-only but for grants; empty /run /tmp /dev/shm; private /dev/pts" == words["mounts"]
    assert words["identity"].startswith("uid 1000, gid 1000, groups [1000], no capabilities")
    assert "install the syscall filter (2 instructions)" == words["seccomp"]
    assert "list /, which must fail" == words["canary"]
    assert "/usr/bin/true (1 arguments)" == words["exec"]


def test_without():
    """What this host does not allow is said as plainly."""
    words = lines(planned(composed(), namespaces=NONE, own=ON_HOST))
    assert "none: this host allows none" == words["namespaces"]
    assert "fork the sandbox's first process" == words["fork init"]
    assert "nothing to create" == words["preparation"]
    assert "none; private folder /tmp/openshell-1" == words["mounts"]


def test_bound_back():
    """A folder that is bound back is named, with how."""
    words = lines(planned(composed(resolve=LINKED.resolve, read_only=["/tmp/tool"], read_write=["/tmp/work"])))
    assert words["mounts"].endswith("bind back /tmp/tool (read-only), /tmp/work")


def test_with_a_broker():
    """Who becomes one, and who gets the listener."""
    words = lines(planned(composed(gpu=0)).replace(broker=True))
    assert words["fork init"].endswith("; its parent becomes the broker of CUDA's thread names")
    assert words["seccomp"].endswith("; the broker gets its listener")


def test_unconfined():
    """Without Landlock that is said in capitals."""
    words = lines(planned(composed()).replace(confined=False))
    assert ("NOT ENFORCED", "not tried") == (words["landlock"], words["canary"])
