"""Sandboxes of this process, for the tests of what a program can do with them."""

import os
import time

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


@pytest.fixture
def marker():
    """How long a command of this test sleeps, which nobody else's does."""
    return f"1000.{os.getpid()}{time.monotonic_ns()}"


def descriptors():
    """How many descriptors this process has open."""
    return len(os.listdir("/proc/self/fd"))
