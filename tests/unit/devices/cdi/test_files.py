"""Spec files that are no files, cannot be read, or are readable and writable by the wrong users."""

import os
import socket
import subprocess
import sys

import pytest

from pyopenshell.devices.cdi import files, modes
from pyopenshell.devices.cdi.read import Faults, read_bytes, read_file
from tests.unit.devices.cdi.cases import GOOD

NOBODY = 65534


def codes(path):
    """The codes of a file's faults."""
    reading = read_file(str(path))
    assert bool(reading.faults) == (reading.spec is None)
    return [fault.code for fault in reading.faults]


def test_a_pipe_is_not_waited_for(tmp_path):
    """A FIFO that nobody writes to is a fault at once."""
    os.mkfifo(tmp_path / "a.yaml")
    assert ["cdi.not-a-file"] == codes(tmp_path / "a.yaml")


def test_folders_sockets_and_devices(tmp_path):
    """None of them is opened; links to them are no better."""
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(tmp_path / "s.yaml"))
    (tmp_path / "f.yaml").mkdir()
    (tmp_path / "d.yaml").symlink_to("/dev/zero")
    for name in ("s.yaml", "f.yaml", "d.yaml"):
        assert ["cdi.not-a-file"] == codes(tmp_path / name)


def test_links(tmp_path):
    """A link to a spec is one; a dangling one names its target; a circle is told from it."""
    (tmp_path / "a.yaml").write_text(GOOD)
    (tmp_path / "b.yaml").symlink_to("a.yaml")
    assert [] == codes(tmp_path / "b.yaml")
    (tmp_path / "c.yaml").symlink_to("gone")
    assert "gone" in read_file(str(tmp_path / "c.yaml")).faults[0].message
    assert ["cdi.dangling-link"] == codes(tmp_path / "c.yaml")
    (tmp_path / "d.yaml").symlink_to("e.yaml")
    (tmp_path / "e.yaml").symlink_to("d.yaml")
    assert ["cdi.link-cycle"] == codes(tmp_path / "d.yaml")


@pytest.mark.parametrize("path", ["/nowhere/a.yaml", "/etc/passwd/a.yaml", "a\0b.yaml", "/" + "x" * 300])
def test_paths_that_lead_nowhere(path):
    """What cannot be opened is a fault, whatever the error."""
    assert ["cdi.unreadable"] == codes(path)


def test_too_many_bytes(tmp_path, monkeypatch):
    """The bound is exact, for files and for bytes."""
    monkeypatch.setattr(files, "MAX_SIZE", len(GOOD))
    (tmp_path / "a.yaml").write_text(GOOD)
    assert [] == codes(tmp_path / "a.yaml")
    (tmp_path / "a.yaml").write_text(GOOD + " ")
    assert ["cdi.too-large"] == codes(tmp_path / "a.yaml")
    assert ["cdi.too-large"] == [fault.code for fault in read_bytes(GOOD.encode() + b" ", "-").faults]


def test_endings():
    """Only .yaml and .json are specs; what was meant for one is told from what was not."""
    assert [True, True, False, False] == [files.is_spec(name) for name in ("a.yaml", "a.json", "a.yml", "a.YAML")]
    expected = [False, True, True, True, False, False]
    assert expected == [files.is_nearly(n) for n in ("a.yaml", "a.yml", "a.YAML", "a.Json", "a.yaml.bak", "README")]


@pytest.mark.parametrize(
    ("name", "mend"),
    [
        ("a.yml", "mv a.yml a.yaml"),
        ("a.JSON", "mv a.JSON a.json"),
        ("a.txt", "mv a.txt a.txt.yaml"),
        ("a b.yml", "mv 'a b.yml' 'a b.yaml'"),
    ],
)
def test_the_command_that_renames(tmp_path, monkeypatch, name, mend):
    """It gives the right ending, and never the name of another file."""
    monkeypatch.chdir(tmp_path)
    assert mend == files.renaming(name)
    (tmp_path / mend.partition(" ")[2].replace("'", "")[len(name) + 1 :]).symlink_to("gone")
    assert files.renaming(name) is None


UNREADABLE = """\
import os, sys
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
from pyopenshell.devices.cdi import registry
from pyopenshell.devices.cdi.read import read_file
for fault in (*read_file(sys.argv[1] + "/a.yaml").faults, *registry.read([sys.argv[1] + "/closed"]).faults):
    print(fault.code, fault.mend)
"""


def test_an_ordinary_user_cannot_read_what_is_closed(tmp_path):
    """EACCES of a file and of a folder, each with the chmod that mends it."""
    if os.geteuid() != 0:
        pytest.skip("needs: root")
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.geteuid() and folder.is_relative_to("/tmp") and folder.name != "tmp":
            folder.chmod(0o755)
    (tmp_path / "a.yaml").write_text(GOOD)
    (tmp_path / "a.yaml").chmod(0o600)
    (tmp_path / "closed").mkdir(mode=0o700)
    command = [sys.executable, "-c", UNREADABLE, str(tmp_path)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    expected = f"cdi.unreadable chmod a+r {tmp_path}/a.yaml\ncdi.folder-unreadable chmod a+rx {tmp_path}/closed\n"
    assert expected == said


def noted(path):
    """What modes say of a path."""
    faults = Faults(str(path))
    modes.check(str(path), faults.note)
    return [fault.code for fault in faults.ordered()]


@pytest.mark.parametrize(
    ("mode", "folder", "found"),
    [
        (0o644, False, []),
        (0o604, False, []),
        (0o640, False, ["cdi.mode"]),
        (0o664, False, ["cdi.writable"]),
        (0o602, False, ["cdi.mode", "cdi.writable"]),
        (0o755, True, []),
        (0o711, True, ["cdi.mode"]),
        (0o744, True, ["cdi.mode"]),
        (0o777, True, ["cdi.writable"]),
        (0o1777, True, []),
    ],
)
def test_modes_of_roots_files(tmp_path, mode, folder, found):
    """Who cannot read them, and who can write them; a sticky folder's files are their owners'."""
    if os.geteuid() != 0:
        pytest.skip("needs: root")
    path = tmp_path / "x"
    path.mkdir() if folder else path.write_text("")
    path.chmod(mode)
    assert found == noted(path)


def test_a_file_of_somebody_else(tmp_path):
    """Its owner can write it, whatever its modes; whether others can read it is that user's business."""
    if os.geteuid() != 0:
        pytest.skip("needs: root")
    path = tmp_path / "x"
    path.write_text("")
    path.chmod(0o400)
    os.chown(path, NOBODY, NOBODY)
    assert ["cdi.writable"] == noted(path)
    assert [] == noted(tmp_path / "gone")
