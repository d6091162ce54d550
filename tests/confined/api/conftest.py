"""Sandboxes of this process, for the tests of what a program can do with them."""

import os

import pytest

from pyopenshell import Sandbox
from tests.confined.landlock import harness


@pytest.fixture
def options(workdir):
    """What every sandbox of these tests is given: the folder that is its own, and the Landlock ABI under test."""
    return {"workdir": workdir, "max_abi": None if harness.ABI == harness.KERNEL_ABI else harness.ABI}


@pytest.fixture
def box(options):
    """A sandbox that is open."""
    with Sandbox(**options) as sandbox:
        yield sandbox


def descriptors():
    """How many descriptors this process has open."""
    return len(os.listdir("/proc/self/fd"))
