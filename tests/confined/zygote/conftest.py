"""Sandboxes of this process's zygote."""

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


def sh(script):
    """A command for the shell."""
    return ["/bin/sh", "-c", script]


def program(path, text="#!/bin/sh\necho it runs\n", mode=0o755):
    """Write a program."""
    path.write_text(text)
    os.chmod(path, mode)
    return path


def alive(box, marker):
    """How many processes of a sandbox have this word in their command line."""
    found = box.run(sh("cat /proc/[0-9]*/cmdline | tr '\\0' '\\n'"), check=True)
    return found.stdout.split("\n").count(marker)
