"""The real resolver, on a real disk: links, loops, what is missing, and whose links they are."""

import errno
import os

import pytest

from pyopenshell.effective.request import Resolved
from pyopenshell.effective.resolve import resolver
from tests.confined.landlock import harness

ME = os.getuid()


@pytest.fixture
def root(tmp_path):
    """A real folder without links in its own path."""
    folder = tmp_path.resolve()
    (folder / "folder/deep").mkdir(parents=True)
    (folder / "file").write_text("x")
    (folder / "link").symlink_to("folder")
    (folder / "absolute").symlink_to(folder / "folder/deep")
    (folder / "up").symlink_to("folder/deep/../../file")
    (folder / "loop").symlink_to("loop")
    (folder / "dangling").symlink_to("nothing")
    return folder


@pytest.mark.parametrize(
    ("path", "real"),
    [
        ("folder", "folder"),
        ("folder/", "folder"),
        ("./folder//deep/.", "folder/deep"),
        ("link", "folder"),
        ("link/deep", "folder/deep"),
        ("absolute", "folder/deep"),
        ("up", "file"),
        ("file", "file"),
    ],
)
def test_paths_that_lead_somewhere(root, path, real):
    """The same as os.path.realpath, strictly; kinds are told."""
    answer = resolver(ME)(f"{root}/{path}")
    assert (os.path.realpath(root / path, strict=True), 0) == (answer.real, answer.errno)
    assert (f"{root}/{real}", f"{root}/{real}") == (answer.real, answer.place)
    assert (real != "file") is answer.is_dir


@pytest.mark.parametrize(
    ("path", "number", "place", "creatable"),
    [
        ("none", errno.ENOENT, "none", True),
        ("none/", errno.ENOENT, "none", True),
        ("folder/none", errno.ENOENT, "folder/none", True),
        ("none/deep", errno.ENOENT, "none/deep", False),
        ("link/none", errno.ENOENT, "folder/none", False),
        ("dangling", errno.ENOENT, "nothing", False),
        ("loop", errno.ELOOP, None, False),
        ("loop/x", errno.ELOOP, None, False),
        ("file/x", errno.ENOTDIR, "file/x", False),
        ("file/", errno.ENOTDIR, None, False),
        ("file/..", errno.ENOTDIR, None, False),
        ("none/../folder", errno.ENOENT, None, False),
        ("n" * 300, errno.ENAMETOOLONG, "n" * 300, False),
        ("nul\0", errno.EINVAL, None, False),
        ("\ud800", errno.EINVAL, None, False),
    ],
)
def test_paths_that_lead_nowhere(root, path, number, place, creatable):
    """The kernel's errno, where the path would be, and whether its last component alone is missing."""
    answer = resolver(ME)(f"{root}/{path}")
    expected = (None, number, f"{root}/{place}" if place else None, creatable)
    assert expected == (answer.real, answer.errno, answer.place, answer.creatable)


def test_names_that_are_not_utf8(root):
    """File names are bytes; Python's form of them is understood."""
    name = os.fsdecode(b"\xff\xfe")
    (root / name).mkdir()
    assert f"{root}/{name}" == resolver(ME)(f"{root}/{name}").real


def test_the_root_itself():
    """Nothing is above it."""
    assert Resolved("/", 0, True, place="/") == resolver(ME)("/")
    assert "/" == resolver(ME)("/..").real


def test_devices_are_told():
    """A device node is no folder."""
    answer = resolver(ME)("/dev/null")
    assert (True, False) == (answer.is_device, answer.is_dir)


def test_links_of_others_are_told(root):
    """A link of root or of the operator is trusted; another user's is not."""
    if ME != 0:
        pytest.skip("needs: root, to give a link away")
    os.lchown(root / "link", 12345, 12345)
    seen = {uid: resolver(uid)(f"{root}/link/deep").links_by_others for uid in (0, 12345, 54321)}
    assert {0: True, 12345: False, 54321: True} == seen
    assert not resolver(0)(f"{root}/absolute").links_by_others


def test_a_process_own_folder_stands_for_itself():
    """/proc/self leads every reader elsewhere, so it is not followed; what hangs below is not this process's alone."""
    assert "/proc/self" == resolver(ME)("/proc/self").real
    assert "/proc/self/task" == resolver(ME)("/proc/self/task").real
    assert "/proc/self/mounts" == resolver(ME)("/proc/mounts").real
    assert "/" == resolver(ME)("/proc/self/root").real


def test_folders_that_cannot_be_searched(root):
    """An unreadable folder: EACCES, not ENOENT, and nothing is created there."""
    harness.identity("user")
    (root / "folder").chmod(0)
    uid = harness.NOBODY

    def child():
        if os.getuid() == 0:
            os.chmod(root.parent, 0o755)
            os.setuid(uid)
        answer = resolver(os.getuid())(f"{root}/folder/deep/none")
        return answer.real, answer.errno, answer.creatable

    real, number, creatable = harness.in_child(child)
    assert (None, errno.EACCES, False) == (real, number, creatable)


def test_hundreds_of_paths_cost_few_lookups(root, monkeypatch):
    """What was looked up is remembered: one call for each new component."""
    calls = []
    lstat = os.lstat

    def counting(path):
        calls.append(path)
        return lstat(path)

    monkeypatch.setattr(os, "lstat", counting)
    resolve = resolver(ME)
    for _ in range(100):
        resolve(f"{root}/folder/deep")
    assert len(f"{root}/folder/deep".split("/")) - 1 == len(calls)
