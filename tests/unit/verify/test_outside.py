"""What is seen outside: kinds, what modes leave open, and what is left alone."""

import os

from pyopenshell.effective.model import Identity
from pyopenshell.verify import outside

WHO = Identity(4000, 4001, (4002,), "policy")


def test_kinds_and_modes(tmp_path):
    """Links are left out: they mean another path."""
    for name, mode in (("file", 0o644), ("program", 0o755), ("shut", 0o600)):
        (tmp_path / name).write_text("")
        (tmp_path / name).chmod(mode)
    (tmp_path / "folder").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to("file")
    os.mkfifo(tmp_path / "pipe")
    found = {os.path.basename(entry.path): (entry.kind, entry.open) for entry in outside.entries(str(tmp_path), WHO)}
    assert ("file", True) == found["file"]
    assert ("program", True) == found["program"]
    assert ("file", False) == found["shut"]
    assert ("folder", False) == found["folder"]
    assert "special" == found["pipe"][0]
    assert "link" not in found


def test_devices_that_act_when_they_are_opened_are_left_alone():
    """A watchdog that was opened wants to be fed; a tape is wound back when it is closed."""
    info = os.stat("/dev/null")
    kinds = [outside._entry(f"/dev/{name}", info).kind for name in ("watchdog", "watchdog0", "st0", "nst0a", "null")]
    assert ["special"] * 4 + ["device"] == kinds


def test_a_folder_that_is_not_there():
    """It has no entries."""
    assert [] == outside.entries("/nowhere/at/all", WHO)


def test_mount_points_of_remote_file_systems_are_known():
    """The kernel's own are not among them."""
    assert b"/proc" not in outside._remote()
