"""Private folders: where they are, that nobody is in them before, and that nothing else goes with them."""

import os
import stat

import pytest

from pyopenshell.effective.paths import MOUNT_POINTS
from pyopenshell.errors import StateError
from pyopenshell.launch import private

RUN = "01JTESTTESTTESTTESTTESTTEST"
ME = os.geteuid()


def test_with_a_mount_namespace():
    """Everything the runtime needs is beneath the sandbox's own /run, and nothing is left on the host."""
    found = private.folders(mount_namespace=True, keep=frozenset(), run_id=RUN)
    assert set(found.hide) == {point for point in MOUNT_POINTS if os.path.isdir(point)}
    assert ("/tmp", "/run/openshell", False) == (found.tmp, found.root, found.host)
    assert {"/run/openshell"} == {os.path.dirname(path) for path in (found.home, found.cuda_cache, found.canary)}


KEPT = {
    # what is kept: (tmp, shm, host)
    "/tmp": ("/run/openshell/tmp", "/dev/shm", False),
    "/dev/shm": ("/tmp", None, False),
    "/run": ("/tmp", "/dev/shm", True),
}


@pytest.mark.parametrize("kept", KEPT)
def test_a_mount_point_that_the_operator_declares(kept):
    """It is not hidden; what would be in it is elsewhere, on the host where /run is the host's."""
    if not os.path.isdir(kept):
        pytest.skip(f"needs: {kept}")
    found = private.folders(mount_namespace=True, keep=frozenset({kept}), run_id=RUN)
    assert kept not in found.hide
    assert KEPT[kept] == (found.tmp, found.shm, found.host)


def test_without_a_mount_namespace():
    """A folder of the host with the run's id in its name; no shared memory, and nothing is hidden."""
    found = private.folders(mount_namespace=False, keep=frozenset(), run_id=RUN)
    root = f"/tmp/openshell-{RUN.lower()}"
    assert ((), root, f"{root}/tmp", None, True) == (found.hide, found.root, found.tmp, found.shm, found.host)


DECLARED = {
    "/": "/tmp",
    "/tmp/folder": "/tmp",
    "/tmp": "/var/tmp",
    "/var": "/tmp",
}


@pytest.mark.parametrize("declared", DECLARED)
def test_not_where_the_operator_has_declared_everything(declared):
    """The canary must lie outside all grants but that of the root folder, or it would prove nothing."""
    found = private.folders(mount_namespace=False, keep=frozenset({declared}), run_id=RUN)
    assert DECLARED[declared] == os.path.dirname(found.root)


@pytest.fixture
def on_host(tmp_path):
    """Private folders as on a host without namespaces, in a folder of the test."""
    root = f"{tmp_path}/openshell"
    return private.Private(
        hide=(),
        root=root,
        tmp=f"{root}/tmp",
        home=f"{root}/home",
        cuda_cache=f"{root}/cuda",
        canary=f"{root}/canary",
        shm=None,
        host=True,
    )


def mode_and_owner(path):
    info = os.stat(path)
    return stat.S_IMODE(info.st_mode), info.st_uid


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_made_for_ourselves(on_host, umask):
    """Folders that only their owner can enter, and a canary that modes would let anyone write, whatever the umask."""
    before = os.umask(umask)
    try:
        private.make(on_host, ME, os.getegid())
    finally:
        os.umask(before)
    assert {(0o700, ME)} == {mode_and_owner(path) for path in (on_host.root, on_host.tmp, on_host.home)}
    assert (0o666, ME) == mode_and_owner(on_host.canary)


@pytest.mark.skipif(ME != 0, reason="needs: root")
def test_made_for_another_identity(on_host):
    """The root of it stays ours and cannot be listed by others; what is in it belongs to the identity."""
    private.make(on_host, 65533, 65533)
    assert (0o711, 0) == mode_and_owner(on_host.root)
    assert {(0o700, 65533)} == {mode_and_owner(path) for path in (on_host.tmp, on_host.home, on_host.cuda_cache)}


@pytest.mark.parametrize("there", ["folder", "file", "link"])
def test_somebody_was_there_before(on_host, tmp_path, there):
    """Whatever has the name already is not used: a clear error."""
    if there == "folder":
        os.mkdir(on_host.root)
    elif there == "file":
        open(on_host.root, "w").close()
    else:
        os.symlink(tmp_path, on_host.root)
    with pytest.raises(StateError, match=r"private folder .*: File exists"):
        private.make(on_host, ME, os.getegid())
    assert [os.path.basename(on_host.root)] == os.listdir(tmp_path)


def test_removed_with_all_that_was_left(on_host, tmp_path):
    """Deep, closed and odd things go; what links lead to stays."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("words")
    private.make(on_host, ME, os.getegid())
    os.makedirs(f"{on_host.home}/a/b/c")
    os.symlink(outside, f"{on_host.home}/a/link")
    os.symlink("/nowhere", f"{on_host.home}/dangling")
    os.link(outside / "precious", f"{on_host.tmp}/hard")
    os.mkfifo(f"{on_host.tmp}/pipe")
    os.chmod(f"{on_host.home}/a/b", 0)
    os.chmod(on_host.home, 0)
    private.remove(on_host)
    assert ["outside"] == os.listdir(tmp_path)
    assert "words" == (outside / "precious").read_text()


def test_a_root_that_became_a_link_is_not_followed(on_host, tmp_path):
    """Nothing is removed through a link in the folder's place."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("words")
    os.symlink(outside, on_host.root)
    private.remove(on_host)
    assert "words" == (outside / "precious").read_text()


def test_nothing_of_the_host_is_removed_where_nothing_was_made(on_host):
    """With a mount namespace the folders were never the host's, and whoever has such a name there keeps it."""
    os.mkdir(on_host.root)
    private.remove(on_host.replace(host=False))
    assert os.path.isdir(on_host.root)
