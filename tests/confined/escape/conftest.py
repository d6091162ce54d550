"""The command in worlds with more and less of the kernel, and one who is outside of every sandbox."""

import pytest

from tests.confined.escape import outside
from tests.confined.launch.conftest import everywhere, sandbox

__all__ = ["bystander", "everywhere", "sandbox"]


@pytest.fixture
def bystander():
    """A program of the sandbox's own uid, outside of it."""
    with outside.bystander() as found:
        yield found
