"""What is said of an access is the kernel's answer, in every direction an assertion can be wrong."""

import errno
import os
import stat

import pytest

from pyopenshell import OpenShellError, Policy, Sandbox
from pyopenshell.errors import CommandError
from pyopenshell.testing import Access, assert_allowed, assert_denied, attempt, isolated_state, open_workdir
from pyopenshell.testing.state import sandbox_uid
from tests.confined.landlock.harness import needs_landlock

pytestmark = needs_landlock


@pytest.fixture(scope="module")
def folder():
    """The folder that the sandbox works in."""
    with open_workdir() as path:
        yield path


@pytest.fixture(scope="module")
def shown(folder):
    """Another folder, which it may only read."""
    with open_workdir() as path:
        (path / "file").write_text("content")
        for one in (path, path / "file"):
            os.chown(one, sandbox_uid(), -1)
        yield path


@pytest.fixture(scope="module")
def box(folder, shown):
    """A sandbox that may write one folder and read another one."""
    files = {"include_workdir": True, "read_only": [str(shown)]}
    with isolated_state(), Sandbox(Policy.from_dict({"version": 1, "filesystem_policy": files}), workdir=folder) as box:
        yield box


def test_what_the_kernel_allows(box, folder, shown):
    """Files and folders, there and missing, to read and to write; and nothing is different afterwards."""
    (folder / "own").write_text("own content")
    os.chown(folder / "own", sandbox_uid(), -1)
    before = sorted(os.listdir(folder)), (folder / "own").read_text()
    for path, write in ((shown / "file", False), (shown, False), (folder / "own", True), (folder, True)):
        assert assert_allowed(box, path, write=write).errno == 0
    assert assert_allowed(box, folder / "missing", write=True).reported.allowed
    assert before == (sorted(os.listdir(folder)), (folder / "own").read_text())


@pytest.mark.parametrize("name", ["", "file", "missing"])
def test_what_the_kernel_denies(box, shown, name):
    """The folder that may only be read takes no write: not to it, not to its file, not to a new one."""
    access = assert_denied(box, shown / name, write=True)
    assert (access.errno in (errno.EACCES, errno.EROFS), False) == (True, access.reported.allowed)
    assert os.listdir(shown) == ["file"]


def test_each_assertion_fails_on_the_other_answer(box, shown):
    """And says what the kernel answered, what the report says, and what to change."""
    with pytest.raises(AssertionError) as failed:
        assert_denied(box, shown / "file")
    said = str(failed.value).splitlines()
    assert f"allowed, and should be denied: read {shown}/file" == said[0]
    assert ["  the kernel answered: allowed", "  the report says: allowed"] == said[1:3]
    assert f"    declared: {shown} (enforced)" in said
    with pytest.raises(AssertionError) as failed:
        assert_allowed(box, shown / "file", write=True)
    said = str(failed.value).splitlines()
    assert f"denied, and should be allowed: write {shown}/file" == said[0]
    assert said[1].startswith("  the kernel answered: E")
    assert "  the report says: denied" == said[2]
    (advice,) = [line for line in said if line.startswith("    to allow it: ")]
    assert f"{shown}/file" in advice


def test_what_is_nowhere_shows_nothing(box, shown):
    """A typing error in a path is no denial."""
    with pytest.raises(AssertionError, match="neither allowed nor denied") as failed:
        assert_denied(box, shown / "tpyo")
    assert "ENOENT" in str(failed.value)


def test_what_is_hidden_is_denied(box, tmp_path):
    """What is there outside and not inside, as the host's /tmp, is denied; the errno says how."""
    (tmp_path / "secret").write_text("")
    access = assert_denied(box, tmp_path / "secret")
    assert access.errno in (errno.ENOENT, errno.EACCES)
    assert access.outside


def test_what_tells_nothing_is_no_answer(box, folder):
    """Opening a socket is an error of its own kind: neither assertion takes it for what it wants."""
    import socket

    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "door"))
        os.chown(folder / "door", sandbox_uid(), -1)
        assert stat.S_ISSOCK((folder / "door").stat().st_mode)
        for claim in (assert_allowed, assert_denied):
            with pytest.raises(AssertionError, match="ENXIO"):
                claim(box, folder / "door", write=True)


def test_a_difference_is_told(box, shown):
    """Where kernel and report differ, that is said."""
    access = attempt(box, shown / "file")
    assert "these differ" not in str(access)
    assert "these differ" in str(access.replace(errno=errno.EACCES))


def test_a_relative_path_is_the_callers(box, folder, monkeypatch):
    """It is relative to where the test is, as everywhere in Python."""
    monkeypatch.chdir(folder)
    assert str(folder / "here") == attempt(box, "here", write=True).path


def test_a_sandbox_without_python(folder):
    """Who has no interpreter inside is told so, and no access is taken for denied."""
    with isolated_state(), Sandbox(workdir=folder, env={"PATH": "/nowhere"}) as bare, pytest.raises(CommandError):
        attempt(bare, "/etc/passwd")


def test_an_attempt_that_breaks_is_no_answer(box, folder, monkeypatch):
    """An interpreter that fails before it asks the kernel has shown nothing."""
    monkeypatch.setattr("pyopenshell.testing.access._ATTEMPT", "raise SystemExit('broken')")
    with pytest.raises(OpenShellError, match=r"did not get as far as the kernel .*broken"):
        attempt(box, folder)


def test_an_access_is_a_value(box):
    """Two of the same kind are equal."""
    first, second = (attempt(box, "/etc/passwd") for _ in range(2))
    assert isinstance(first, Access)
    assert first == second
