"""Links that appear while a sandbox is being made: nothing outside is made, given away or granted."""

import json
import os
import shutil
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from pyopenshell import planning
from pyopenshell.errors import LaunchError
from pyopenshell.kernel import syscalls
from pyopenshell.launch import prepare, supervisor
from tests.confined.landlock import harness
from tests.confined.launch import world

ROUNDS = 200
AT_FDCWD, RENAME_EXCHANGE = -100, 2


@pytest.fixture(params=["/tmp", "/var/tmp"])
def ground(request):
    """``folder`` is for the sandbox, ``target`` is what its owner would like to have; both belong to that owner."""
    outer = Path(tempfile.mkdtemp(prefix="openshell-race.", dir=request.param))
    outer.chmod(0o755)
    for name in ("folder", "target", "target/folder"):
        (outer / name).mkdir()
    (outer / "target" / "file").write_text("secret")
    yield outer
    shutil.rmtree(outer)


def exchange(ground, _wanted):
    """Let the parent be a link where it was a folder, or the other way round."""
    syscalls.call("renameat2", AT_FDCWD, bytes(ground / "folder"), AT_FDCWD, bytes(ground / "link"), RENAME_EXCHANGE)


def replace(ground, wanted):
    """Put a link where the folder was made."""
    with suppress(OSError):
        os.rmdir(wanted)
    os.symlink(ground / "target", wanted)
    os.unlink(wanted)


@pytest.mark.parametrize("flip", [exchange, replace])
def test_preparation_while_links_come_and_go(ground, flip):
    """The parent, or the folder itself, is a folder in one moment and a link to somewhere else in the next."""
    wanted, done = ground / "folder" / "made", threading.Event()
    (ground / "link").symlink_to(ground / "target")
    target = os.stat(ground / "target")
    real = os.open(ground / "folder", os.O_PATH)

    def flipping():
        while not done.is_set():
            with suppress(OSError):
                flip(ground, wanted)

    thread = threading.Thread(target=flipping)
    thread.start()
    try:
        for _ in range(ROUNDS):
            with suppress(OSError):
                fd, _ = prepare.make_folder(str(wanted), world.IDENTITY, world.IDENTITY)
                assert not os.path.samestat(target, os.fstat(fd))
                os.close(fd)
            with suppress(OSError):
                os.rmdir(wanted.name, dir_fd=real)
    finally:
        done.set()
        thread.join()
        os.close(real)
    after = os.stat(ground / "target")
    assert {"folder", "file"} == set(os.listdir(ground / "target"))
    assert (target.st_uid, target.st_gid, target.st_mode) == (after.st_uid, after.st_gid, after.st_mode)


@harness.needs_landlock
@pytest.mark.parametrize("hidden_call", ["none", "unshare"], ids=["namespaces", "no namespaces"])
@pytest.mark.parametrize("declared", ["folder", "folder/folder", "target/file"])
def test_a_declared_path_becomes_a_link_before_the_launch(ground, hidden_call, declared, tmp_path):
    """Planned, replaced by a link, launched: an error or a path that is missing, and never the link's target."""
    if hidden_call == "none":
        world.needs_namespaces()
    (ground / "folder" / "folder").mkdir()
    path = ground / declared
    secret = ground / "target" / "folder"
    file = tmp_path / "policy.json"
    file.write_text(json.dumps(world.policy(read_write=(path,), workdir=False)))

    def launched():
        if hidden_call != "none":
            harness.pretend(hidden_call, 1)
        planned = planning.plan(planning.RunRequest(("/bin/true",), policy=str(file), workdir="/"))
        first = ground / declared.split("/", maxsplit=1)[0]
        swapped = path if declared == "target/file" else first
        os.rename(swapped, ground / "away")
        os.symlink(secret if declared == "folder" else ground / "target", swapped)
        launch = supervisor.Launch(planned.plan)
        try:
            receipt = launch.receipt()
        except LaunchError as error:
            return [error.message]
        finally:
            launch.abort()
        grant = next(grant.id for grant in planned.effective.grants if grant.path == str(path))
        return [(rule["dev"], rule["ino"]) for rule in receipt["rules"] if rule["grant"] == grant]

    (found,) = harness.in_child(launched)
    assert isinstance(found, str) or found == (None, None)
