"""The command as root and as an ordinary user calls it, each with a state folder of the test's own."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.confined.landlock.harness import NOBODY
from tests.confined.launch import world
from tests.confined.whole import callers


@pytest.fixture
def folder(workdir):
    """A folder for policies and state: it belongs to whom sandboxes run as, and lies apart from the working folder."""
    path = Path(tempfile.mkdtemp(prefix="openshell-kept."))
    os.chown(path, workdir.stat().st_uid, -1)
    yield path
    shutil.rmtree(path)


def _prepared(kind, workdir, folder):
    sandbox = kind(workdir, folder / "state", folder)
    home = {} if world.IS_ROOT and kind is world.Sandbox else {"HOME": str(folder)}
    sandbox.environment |= {"XDG_CONFIG_HOME": str(folder / "config"), **home}
    return sandbox


@pytest.fixture
def user(workdir, folder):
    """The command as an ordinary user."""
    if world.IS_ROOT:
        for path in (workdir, folder):
            os.chown(path, NOBODY, NOBODY)
    return _prepared(callers.AsUser, workdir, folder)


@pytest.fixture
def root(workdir):
    """The command as root."""
    world.needs_root()
    path = Path(tempfile.mkdtemp(prefix="openshell-kept."))
    yield _prepared(world.Sandbox, workdir, path)
    shutil.rmtree(path)


@pytest.fixture(params=["root", "user"])
def anyone(request):
    """The command as root, and as an ordinary user."""
    return request.getfixturevalue(request.param)
