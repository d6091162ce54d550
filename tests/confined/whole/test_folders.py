"""Folders that a run makes, that it leaves alone, and that it must not get."""

import os

from tests.confined.landlock.harness import needs_landlock
from tests.confined.launch import world
from tests.confined.whole import callers

pytestmark = needs_landlock


def test_a_missing_folder_is_made(anyone):
    """It is announced on stderr, belongs to the sandbox's identity, and can be written."""
    new = anyone.workdir / "new"
    policy = world.policy(read_write=(new,), workdir=False)
    done = anyone.run("-n", "made", "--", "touch", f"{new}/file", policy=policy)
    assert 0 == done.returncode, done.stderr
    assert f"openshell: {new}: created\n" in done.stderr
    identity = anyone.record("made").effective["identity"]
    found = new.stat()
    assert (identity["uid"], identity["gid"], 0o755) == (found.st_uid, found.st_gid, found.st_mode & 0o7777)
    assert (new / "file").exists()
    assert "created" not in anyone.run("--", "true", policy=policy).stderr


def test_an_existing_folder_keeps_owner_and_mode(root):
    """What was there before is not given away."""
    kept = root.workdir / "kept"
    kept.mkdir()
    os.chown(kept, 54321, 54322)
    kept.chmod(0o3751)
    policy = world.policy(read_write=(kept,), workdir=False)
    assert 0 == root.run("-q", "--", "true", policy=policy).returncode
    found = kept.stat()
    assert (54321, 54322, 0o3751) == (found.st_uid, found.st_gid, found.st_mode & 0o7777)


def test_a_writable_home(anyone):
    """A policy that makes $HOME writable is a High finding on stderr; where our own state lies there it is refused."""
    home = anyone.workdir / "home"
    home.mkdir()
    os.chown(home, anyone.workdir.stat().st_uid, -1)
    anyone.environment["HOME"] = str(home)
    done = anyone.run("-n", "home", "--", "true", policy=world.policy(read_write=(home,), workdir=False))
    assert 0 == done.returncode, done.stderr
    assert f"makes your home folder {home} writable" in done.stderr
    assert "High" == anyone.record("home").findings["home.writable"]["severity"]
    for variable in ("XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        before = anyone.environment[variable]
        anyone.environment[variable] = f"{home}/own"
        error = callers.refused(anyone, policy=world.policy(read_write=(home,), workdir=False))
        assert "policy.protected-folder" == error["code"]
        anyone.environment[variable] = before
