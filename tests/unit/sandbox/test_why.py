"""What file modes say to an identity that is not this process's, without a child that becomes it."""

import errno
import os
import struct

import pytest

from pyopenshell.effective.model import Identity
from pyopenshell.sandbox.why import file_modes

OTHER = Identity(os.geteuid() + 4321, 65533, (65532,), "test")
"""Somebody else."""


def acl(uid):
    """An access control list that lets one more user read (acl(5); linux/posix_acl_xattr.h)."""
    entries = (
        (0x01, 6, 0xFFFFFFFF),
        (0x02, 4, uid),
        (0x04, 4, 0xFFFFFFFF),
        (0x10, 4, 0xFFFFFFFF),
        (0x20, 0, 0xFFFFFFFF),
    )
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


@pytest.mark.parametrize(
    ("mode", "wants", "expected"),
    [
        (0o604, os.R_OK, 0),
        (0o640, os.R_OK, errno.EACCES),
        (0o604, os.W_OK, errno.EACCES),
        (0o606, os.W_OK, 0),
        (0o605, os.X_OK, 0),
    ],
)
def test_the_bits_for_others(open_folder, mode, wants, expected):
    """For who is neither the owner nor in the group."""
    path = open_folder / "it"
    path.touch()
    path.chmod(mode)
    assert expected == file_modes(OTHER, str(path), wants)


def test_a_folder_on_the_way(open_folder):
    """Each must let the identity through; a file that is not there is told so."""
    inner = open_folder / "inner"
    inner.mkdir()
    path = inner / "it"
    path.touch()
    path.chmod(0o666)
    for mode, expected in ((0o701, 0), (0o700, errno.EACCES)):
        inner.chmod(mode)
        assert expected == file_modes(OTHER, str(path), os.R_OK)
    assert errno.ENOENT == file_modes(OTHER, str(open_folder / "missing"), os.R_OK)


def test_this_process_asks_for_itself(open_folder):
    """With all that it may."""
    own = Identity(os.geteuid(), os.getegid(), tuple(os.getgroups()), "caller")
    path = open_folder / "it"
    path.touch()
    assert 0 == file_modes(own, str(path), os.R_OK)


def test_an_access_control_list_is_not_guessed_at(open_folder):
    """What it says takes more than the bits."""
    path = open_folder / "it"
    path.touch()
    try:
        os.setxattr(path, "system.posix_acl_access", acl(OTHER.uid))
    except OSError:
        pytest.skip("needs: a file system with access control lists")
    assert file_modes(OTHER, str(path), os.R_OK) is None
