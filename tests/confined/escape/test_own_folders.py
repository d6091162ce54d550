"""What openshell keeps for itself: no sandbox reads or writes it, and no policy may let one write it."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.confined.escape import outside
from tests.confined.launch import world

CODE = """
for folder in given["folders"]:
    answer[folder] = [
        attempt(os.listdir, folder),
        attempt(os.open, folder + "/known", os.O_RDONLY),
        attempt(os.open, folder + "/known", os.O_WRONLY),
        attempt(os.mkdir, folder + "/made"),
        attempt(os.rename, folder + "/known", folder + "/moved"),
    ]
"""


@pytest.fixture(params=["/tmp", "/var/tmp"])
def outer(request, sandbox):
    """The folder that holds state and configuration; file modes let the sandbox into all of it."""
    folder = Path(tempfile.mkdtemp(prefix="openshell-own.", dir=request.param))
    folder.chmod(0o755)
    sandbox.environment |= {"XDG_STATE_HOME": f"{folder}/state", "XDG_CONFIG_HOME": f"{folder}/config"}
    yield folder
    shutil.rmtree(folder)


def own_folders(outer):
    """Make both folders as open as can be (the state folder must belong to the caller), and return them."""
    folders = [outer / "state" / "openshell", outer / "config" / "openshell"]
    for folder in folders:
        folder.mkdir(parents=True, mode=0o700)
        (folder / "known").write_text("known")
        (folder / "known").chmod(0o666)
    folders[1].chmod(0o777)
    return [str(folder) for folder in folders]


def test_own_folders_are_closed_inside(everywhere, outer):
    """Not listed, read, written, added to or renamed."""
    folders = own_folders(outer)
    is_hidden = outside.has(everywhere, "mount") and str(outer).startswith("/tmp")
    answer = everywhere.ask(CODE, folders=folders)
    expected = ["ENOENT"] * 5 if is_hidden else ["EACCES"] * 5
    assert dict.fromkeys(folders, expected) == answer


@pytest.mark.parametrize("inside", ["state", "state/openshell", "state/openshell/names", "config/openshell", "."])
def test_a_policy_that_would_make_them_writable_is_refused(sandbox, outer, inside):
    """The folder itself, one in it, one around it: refused with the folder's name, and nothing is run."""
    own_folders(outer)
    path = os.path.normpath(outer / inside)
    done = sandbox.run("--", "/bin/touch", "started", policy=world.policy(read_write=(path,)))
    assert (125, []) == (done.returncode, os.listdir(sandbox.workdir)), done.stderr
    assert [True, True] == [text in done.stderr for text in (path, "would make openshell's")], done.stderr


@pytest.mark.parametrize("inside", ["state/openshell", "config/openshell", "."])
def test_a_working_folder_that_would_make_them_writable_is_refused(sandbox, outer, inside):
    """The built-in policy grants the working folder: not one that holds these, or lies in them."""
    own_folders(outer)
    done = sandbox.run("--workdir", outer / inside, "--", "/bin/touch", "started")
    assert (125, False) == (done.returncode, (outer / inside / "started").exists()), done.stderr
    assert "would make openshell's" in done.stderr


def test_a_link_to_them_is_refused_too(sandbox, outer):
    """A declared path that leads to the state folder through a link."""
    state, _ = own_folders(outer)
    (sandbox.workdir / "link").symlink_to(state)
    policy = world.policy(read_write=(sandbox.workdir / "link",))
    done = sandbox.run("--", "/bin/touch", "started", policy=policy)
    assert (125, ["link"]) == (done.returncode, os.listdir(sandbox.workdir)), done.stderr
    assert state in done.stderr
