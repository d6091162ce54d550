"""The command in a world: with namespaces, without mounts, without any."""

import pytest

from tests.confined.launch import world


@pytest.fixture
def sandbox(workdir, state_folder, tmp_path):
    """The command with all that this kernel offers."""
    return world.Sandbox(workdir, state_folder, tmp_path)


@pytest.fixture(params=world.WORLDS)
def everywhere(request, sandbox):
    """The command in each of the worlds."""
    sandbox.world = world.WORLDS[request.param]
    return sandbox
