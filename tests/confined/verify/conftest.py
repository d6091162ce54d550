"""The command in its worlds, in a folder that no private one hides: in ``/tmp`` a sandbox sees its own."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.confined.launch import world
from tests.confined.launch.conftest import everywhere, needs_landlock
from tests.confined.whole.conftest import folder, user

__all__ = ["everywhere", "folder", "sandbox", "user"]


@pytest.fixture
def bare(state_folder, tmp_path):
    """The command with all that this kernel offers, be it without Landlock."""
    folder = Path(tempfile.mkdtemp(prefix="openshell-test.", dir="/var/tmp"))
    os.chown(folder, world.IDENTITY, -1)
    yield world.Sandbox(folder, state_folder, tmp_path)
    shutil.rmtree(folder)


@pytest.fixture
def sandbox(bare):
    """The command on a kernel with Landlock."""
    needs_landlock()
    return bare
