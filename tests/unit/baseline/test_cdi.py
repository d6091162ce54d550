"""CDI edits as proposals: access to the letter, origins, and what is never proposed."""

import pytest

from pyopenshell.baseline.cdi import proposals
from pyopenshell.devices.cdi.model import DeviceNode, Mount
from pyopenshell.devices.edits import Merged, Node, Shown, Whose
from pyopenshell.policy.access import READ_ONLY, READ_WRITE

WHOSE = Whose("nvidia.com/gpu=0", "/etc/cdi/nvidia.yaml", 7)


def of_node(**fields):
    (found,) = proposals(Merged(nodes=(Node(DeviceNode("/dev/x", **{"host_path": "/dev/x"} | fields), WHOSE),)))
    return found


def of_mount(*options, is_socket=False, **fields):
    (found,) = proposals(Merged(mounts=(Shown(Mount("/h", "/c", options, **fields), WHOSE, is_socket),)))
    return found


@pytest.mark.parametrize(
    ("permissions", "access"),
    [
        ("rwm", ("read_file", "write_file", "ioctl_dev")),
        ("rw", ("read_file", "write_file", "ioctl_dev")),
        ("r", ("read_file", "ioctl_dev")),
        ("w", ("write_file", "ioctl_dev")),
        ("rm", ("read_file", "ioctl_dev")),
        ("m", ()),
        ("", ()),
    ],
)
def test_permissions(permissions, access):
    """``r`` and ``w`` open, and with that the driver's ioctls; ``m`` gives nothing, ever."""
    found = of_node(permissions=permissions)
    assert (access, not access) == (found.access, found.problem is not None)


def test_a_fifo_has_no_ioctls():
    """It is no device."""
    assert ("read_file", "write_file") == of_node(type="p").access


def test_where_it_stands():
    """Kind, name, file and line of the spec; the host's path only where it is another."""
    found = of_node()
    assert ("cdi", "nvidia.com/gpu=0", "/etc/cdi/nvidia.yaml", 7, None) == (
        found.kind,
        found.name,
        found.file,
        found.line,
        found.source,
    )
    assert "/dev/y" == of_node(host_path="/dev/y").source


@pytest.mark.parametrize(
    ("options", "access"),
    [
        ((), READ_WRITE),
        (("rbind", "rw"), READ_WRITE),
        (("ro", "nosuid"), READ_ONLY),
        (("ro", "noexec"), ("read_file", "read_dir")),
    ],
)
def test_mounts(options, access):
    """A mount's options decide."""
    assert access == of_mount(*options).access


def test_a_socket_can_be_connected_to():
    """As in a container; nothing else read-only can."""
    assert "resolve_unix" in of_mount("ro", is_socket=True).access


def test_a_file_system_of_its_own_is_not_made():
    """Only what shows the host's files is."""
    assert "tmpfs" in (of_mount(type="tmpfs").problem or "")
    assert of_mount(type="bind").problem is None
