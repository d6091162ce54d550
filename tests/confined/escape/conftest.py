"""The command in worlds with more and less of the kernel, and one who is outside of every sandbox."""

import pytest

from tests.confined.escape import outside
from tests.confined.launch import world
from tests.confined.launch.conftest import everywhere, sandbox

__all__ = ["bystander", "everywhere", "sandbox"]


@pytest.fixture(autouse=True)
def _kernel(request):
    """Skip what is about namespaces where this host has none."""
    if "everywhere" in request.fixturenames and request.getfixturevalue("everywhere").world != world.NO_NAMESPACES:
        world.needs_namespaces()


@pytest.fixture
def bystander():
    """A program of the sandbox's own uid, outside of it."""
    with outside.bystander() as found:
        yield found
