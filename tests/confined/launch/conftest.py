"""The command in a world: with namespaces, without mounts, without any."""

import os

import pytest

from tests.confined.landlock import harness
from tests.confined.launch import world
from tests.confined.launch.shell import Shell


def needs_landlock():
    """Skip the test on a kernel without Landlock."""
    if harness.ABI == 0:
        pytest.skip("needs: Landlock")


@pytest.fixture
def sandbox(workdir, state_folder, tmp_path):
    """The command with all that this kernel offers. Without Landlock it starts nothing: whole/test_no_landlock.py."""
    needs_landlock()
    return world.Sandbox(workdir, state_folder, tmp_path)


@pytest.fixture(params=world.WORLDS)
def everywhere(request, sandbox):
    """The command in each of the worlds; where this host lets it make no namespaces there is just one."""
    sandbox.world = world.WORLDS[request.param]
    if sandbox.world != world.NO_NAMESPACES:
        world.needs_namespaces()
    return sandbox


@pytest.fixture(params=["namespaces", "no namespaces"])
def shell(request, sandbox):
    """A shell on a terminal, in the world that the test is about."""
    if not os.path.exists("/bin/bash"):
        pytest.skip("needs: bash")
    sandbox.world = world.WORLDS[request.param]
    if sandbox.world != world.NO_NAMESPACES:
        world.needs_namespaces()
    found = Shell(sandbox)
    yield found
    found.terminal.close(force=True)
