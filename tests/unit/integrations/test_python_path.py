"""The policy of callers that name none: their modules can be read, and nobody's home."""

import os
import sys

import pytest

from pyopenshell import Policy
from pyopenshell.integrations import python_path


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """A home with a project and a package in it, on ``sys.path`` as a script there would have it."""
    Policy.from_dict({"version": 1})  # imports what it takes, while that can be found
    home = tmp_path / "home"
    for name in ("project/tests", "lib/package"):
        (home / name).mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr(sys, "path", ["", str(home), str(home / "lib"), "/usr/lib/python3", str(home / "missing.zip")])
    monkeypatch.chdir(home / "project")
    return home


def granted(policy):
    return [path.path for path in policy.filesystem.read_only]


def test_what_is_on_the_path_can_be_read(folders):
    """Its folders that are there, the current one for an empty entry; not again what /usr or another one holds."""
    named = [folders / "project" / "tests", folders / "lib" / "package"]
    policy = python_path.policy(workdir=None, folders=map(os.fspath, named))
    assert [f"{folders}/lib", f"{folders}/project"] == granted(policy)
    assert not policy.filesystem.include_workdir


def test_a_home_is_never_granted(folders, monkeypatch):
    """Neither the home folder, for a script that lies in it, nor what encloses it, for one that lies there."""
    monkeypatch.setattr(sys, "path", [str(folders), str(folders.parent), "/", f"{folders}/../home/."])
    monkeypatch.chdir("/")
    assert [] == granted(python_path.policy(workdir=None))
    monkeypatch.delenv("HOME")
    assert os.path.expanduser("~") not in granted(python_path.policy(workdir=None, folders=[os.path.expanduser("~")]))


def test_the_working_directory_is_written_and_not_named_twice(folders):
    """What lies in it would be writable too, and is not declared read-only."""
    policy = python_path.policy(workdir=str(folders / "project"))
    assert policy.filesystem.include_workdir
    assert [f"{folders}/lib"] == granted(policy)


def test_the_path_inside_is_absolute(folders):
    """Where the current folder is another one, modules are found all the same."""
    assert [f"{folders}/project", str(folders), f"{folders}/lib"] == python_path.entries()[:3]
