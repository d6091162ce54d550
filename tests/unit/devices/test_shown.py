"""Where the paths of a sandbox lead that is shown some of the host's files elsewhere."""

import os

import pytest

from pyopenshell.devices.shown import MOST_LINKS, behind

LINKS = {
    "/lib": "usr/lib",
    "/usr/lib/up": "../shared/file",
    "/usr/lib/absolute": "/opt/driver/lib/file",
    "/usr/lib/loop": "loop",
    "/run/driver/lib/name": "file",
    "/run/driver/lib/out": "/usr/shared/file",
    "/run/driver/whole": "lib/file",
}
FILES = ("/usr/shared/file", "/run/driver/lib/file", "/usr/lib/plain")
MOUNTS = {"/opt/driver": "/run/driver", "/lib/x.so": "/run/driver/whole", "/opt/driver/lib/inner": "/usr/lib/plain"}


@pytest.fixture
def root(open_folder):
    for path in FILES:
        os.makedirs(os.path.dirname(f"{open_folder}{path}"), exist_ok=True)
        (open_folder / path[1:]).write_text("")
    for path, target in LINKS.items():
        os.makedirs(os.path.dirname(f"{open_folder}{path}"), exist_ok=True)
        os.symlink(target, f"{open_folder}{path}")
    return str(open_folder)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/usr/lib/plain", "/usr/lib/plain"),
        ("/usr/lib/up", "/usr/shared/file"),
        ("/usr/lib/./../lib//plain", "/usr/lib/plain"),
        ("/usr/lib/absolute", "/run/driver/lib/file"),
        ("/opt/driver/lib/name", "/run/driver/lib/file"),
        ("/opt/driver/lib/out", "/usr/shared/file"),
        ("/opt/driver/lib/inner", "/usr/lib/plain"),
        ("/usr/lib/x.so", "/run/driver/lib/file"),
        ("/lib/x.so", "/run/driver/lib/file"),
        ("/opt/driver/lib/none/../x", "/run/driver/lib/x"),
        ("/../usr/lib/plain", "/usr/lib/plain"),
    ],
)
def test_paths(root, path, expected):
    """Links lead on in what the sandbox sees: into mounts, out of them, through folders that are links themselves."""
    assert f"{root}{expected}" == behind(path, root, MOUNTS)


def test_links_that_lead_to_themselves(root):
    """They end after as many as the kernel follows."""
    assert MOST_LINKS > 0
    assert behind("/usr/lib/loop", root, MOUNTS).endswith("/usr/lib/loop")


def test_without_mounts_it_is_the_hosts(root):
    """As the host's own programs see it."""
    assert f"{root}/usr/shared/file" == behind("/usr/lib/up", root, {})
