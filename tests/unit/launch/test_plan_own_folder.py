"""What a launch does about a folder of the sandbox's own: nothing at the host's /sandbox."""

import pytest
from tests.unit.effective.cases import USUAL, World, composed
from tests.unit.launch.test_plan import HIDDEN, WORKLOAD

from pyopenshell.devices.host import Namespaces
from pyopenshell.kernel import namespaces as ns
from pyopenshell.landlock.downgrade import handled
from pyopenshell.launch import mounts, plan

ALL = Namespaces(user=True, mount=True, pid=True, net=True, ipc=True)
HOST = "/srv/sandboxes/one"
WORLD = World(folders=[*(path for path, kind in USUAL.kinds.items() if kind == "folder"), "/sandbox/is", HOST])


@pytest.fixture
def found():
    """The plan of a sandbox that has one, whose policy declares a folder in it, one that is missing, and another."""
    effective = composed(
        read_write=["/sandbox", "/sandbox/is", "/sandbox/new", "/data"],
        resolve=WORLD.resolve,
        own_folder=HOST,
        workdir="/sandbox",
    )
    return plan.build(
        effective,
        WORKLOAD.replace(workdir="/sandbox"),
        handled=handled(7, tcp=False),
        namespaces=ALL,
        private=HIDDEN,
        program=b"\0" * 16,
        terminal=False,
    )


def test_it_is_shown(found):
    """Writable, and as a folder of programs, but with no devices in it."""
    assert (("workdir:/sandbox", HOST, "/sandbox", ns.MOUNT_ATTR_NODEV),) == found.bound


def test_what_is_missing_is_made_in_it(found):
    """Not in the host's folder of that name."""
    assert (("declared/read_write:/sandbox/new", f"{HOST}/new"),) == found.create


def test_nothing_of_the_hosts_stays_writable_there(found):
    """What is shown brings its own mount."""
    assert ("/data",) == found.writable


def test_the_host_never_stands_in_for_it(found):
    """Where it cannot be shown the launch ends; another thing that cannot be is left out."""
    mounts._need_workdir(found.as_plain(), {})
    mounts._need_workdir(found.as_plain(), {"cdi/other": 2})
    with pytest.raises(OSError, match="No such file or directory") as raised:
        mounts._need_workdir(found.as_plain(), {"workdir:/sandbox": 2})
    assert f"{HOST} at /sandbox" == raised.value.filename
