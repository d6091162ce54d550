"""Modes, times and attributes, which Landlock leaves alone: outside of writable grants a read-only mount keeps them."""

import os
import tempfile
from pathlib import Path

import pytest

from tests.confined.launch import world

CHANGE = """
answer = {
    "chmod": attempt(os.chmod, given["path"], 0o666),
    "utime": attempt(os.utime, given["path"], (1, 1)),
    "xattr": attempt(os.setxattr, given["path"], "user.openshell", b"1"),
}
"""


@pytest.fixture
def outside():
    """A file of the sandbox's own user, neither in a grant nor in a folder that is hidden."""
    with tempfile.TemporaryDirectory(prefix="openshell-test.", dir="/var/tmp") as folder:
        file = Path(folder, "private")
        file.write_text("x")
        file.chmod(0o600)
        os.chmod(folder, 0o755)
        os.chown(file, world.IDENTITY, -1)
        yield file


def test_they_stay_outside_of_grants(sandbox, outside):
    """The sandbox's user owns the file, and still cannot open it to others."""
    world.needs_namespaces()
    assert {"chmod": "EROFS", "utime": "EROFS", "xattr": "EROFS"} == sandbox.ask(CHANGE, "-q", path=outside)
    assert 0o600 == outside.stat().st_mode & 0o777


def test_they_change_within(sandbox):
    """In the working folder they are the program's own business."""
    file = sandbox.workdir / "own"
    file.touch()
    os.chown(file, world.IDENTITY, -1)
    answer = sandbox.ask(CHANGE, "-q", path=file)
    assert ("ok", "ok") == (answer["chmod"], answer["utime"])


def test_a_declared_folder_stays_writable(sandbox, outside):
    """What is declared for writing is not part of the read-only view, wherever it lies."""
    os.chown(outside.parent, world.IDENTITY, -1)
    policy = world.policy(read_write=(outside.parent,))
    answer = sandbox.ask(CHANGE, "-q", policy=policy, path=outside)
    assert ("ok", "ok") == (answer["chmod"], answer["utime"])


def test_what_is_declared_read_only_is_not(sandbox, outside):
    """Reading is granted, and nothing else."""
    world.needs_namespaces()
    answer = sandbox.ask(CHANGE, "-q", policy=world.policy(read_only=(outside.parent,)), path=outside)
    assert {"EROFS"} == set(answer.values())
