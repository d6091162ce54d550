"""Which package is the newest, without asking any archive."""

import pytest

from tests.kernels import packages
from tests.kernels.catalogue import KERNELS

ARCHIVE = """
linux-image-5.10.0-9-cloud-amd64 linux-image-5.10.0-46-cloud-amd64 linux-image-5.10.0-46-amd64
linux-image-6.1-cloud-amd64
linux-image-6.1.0-9-cloud-amd64 linux-image-6.1.0-56-cloud-amd64 linux-image-6.1.0-0.deb11.52-cloud-amd64
linux-image-6.12.9+deb13-cloud-amd64 linux-image-6.12.90+deb13.1-cloud-amd64 linux-image-6.12.117+deb12-cloud-amd64
linux-image-7.3.4+deb13-cloud-amd64 linux-binary-7.3.4+deb13-cloud-amd64 linux-image-6.1.0-56-cloud-amd64-dbg
"""


@pytest.fixture
def apt(tmp_path, monkeypatch):
    monkeypatch.setattr(packages, "command", lambda *_arguments, **_options: ARCHIVE)
    return packages.Apt(tmp_path)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("5.10", "linux-image-5.10.0-46-cloud-amd64"),
        ("6.1", "linux-image-6.1.0-56-cloud-amd64"),
        ("6.12", "linux-image-6.12.117+deb12-cloud-amd64"),
        ("7.0", None),
        ("7.3", "linux-binary-7.3.4+deb13-cloud-amd64"),
    ],
)
def test_newest(apt, name, expected):
    """Versions are compared as numbers; metapackages, debugging symbols and other flavours are not kernels to boot."""
    (kernel,) = [kernel for kernel in KERNELS if kernel.name == name]
    assert [expected] == apt.newest([kernel.package])


def test_a_program_is_missing():
    """One line, which says what."""
    with pytest.raises(packages.Unavailable, match="no-such-program is not installed"):
        packages.command("no-such-program")
