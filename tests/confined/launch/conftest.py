"""The command in a world: with namespaces, without mounts, without any."""

import os

import pytest

from tests.confined.launch import world
from tests.confined.launch.shell import Shell


@pytest.fixture
def sandbox(workdir, state_folder, tmp_path):
    """The command with all that this kernel offers."""
    return world.Sandbox(workdir, state_folder, tmp_path)


@pytest.fixture(params=world.WORLDS)
def everywhere(request, sandbox):
    """The command in each of the worlds."""
    sandbox.world = world.WORLDS[request.param]
    return sandbox


@pytest.fixture(params=["namespaces", "no namespaces"])
def shell(request, sandbox):
    """A shell on a terminal, in the world that the test is about."""
    if not os.path.exists("/bin/bash"):
        pytest.skip("needs: bash")
    sandbox.world = world.WORLDS[request.param]
    found = Shell(sandbox)
    yield found
    found.terminal.close(force=True)
