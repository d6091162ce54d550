"""Environments with contributors, as root and as an ordinary user has them."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

import pyopenshell
from tests.confined.contributors import installation
from tests.confined.landlock.harness import NOBODY
from tests.confined.launch import world


@pytest.fixture(scope="session")
def package():
    """The folder of a copy of the package: whoever sandboxes run as must be able to read it."""
    if not installation.goes_there(installation.INTERPRETER):
        pytest.skip("needs: an interpreter that everybody can execute")
    folder = Path(tempfile.mkdtemp(prefix="openshell-package."))
    folder.chmod(0o755)
    shutil.copytree(Path(pyopenshell.__file__).parent, folder / "pyopenshell")
    yield folder
    shutil.rmtree(folder)


def _installed(package, workdir, who):
    folder = Path(tempfile.mkdtemp(prefix="openshell-installed."))
    folder.chmod(0o755)
    made = installation.Installation(folder, package, workdir, who)
    if who:
        for path in (workdir, folder):
            os.chown(path, NOBODY, NOBODY)
    return made


@pytest.fixture
def installed(package, workdir):
    """An environment of whoever tests."""
    made = _installed(package, workdir, {})
    yield made
    shutil.rmtree(made.folder)


@pytest.fixture(params=["root", "user"])
def anyones(request, package, workdir):
    """An environment as root uses it, whose sandboxes run as somebody else, and as an ordinary user does."""
    if request.param == "root":
        world.needs_root()
    made = _installed(package, workdir, installation.USER if request.param == "user" else {})
    yield made
    shutil.rmtree(made.folder)
