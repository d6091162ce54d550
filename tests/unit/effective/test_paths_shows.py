"""What a grant is about where mounts of the sandbox's own lie over the host's folders."""

import pytest

from pyopenshell.effective.paths import MOUNT_POINTS, shows


@pytest.mark.parametrize(
    ("folder", "path", "expected"),
    [
        ("/", "/srv/x", True),
        ("/srv", "/srv/x", True),
        ("/srv", "/srvx", False),
        ("/", "/tmp/x", False),
        ("/", "/run", False),
        ("/tmp", "/tmp/x", True),
        ("/tmp/x", "/tmp/x/y", True),
        ("/dev", "/dev/shm/x", False),
        ("/dev", "/dev/null", True),
    ],
)
def test_shows(folder, path, expected):
    """A folder above a private mount shows the sandbox's own there; what is granted in it is bound back."""
    assert expected == shows(folder, path, MOUNT_POINTS)


def test_without_mounts():
    """Then it is plain enclosure."""
    assert shows("/", "/tmp/x", ())
