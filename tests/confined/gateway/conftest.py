"""What tests of gateways share."""

from importlib.util import find_spec

import pytest

from tests.confined.gateway.house import House

# Where the extra `gateway` is not installed (other kernels' images), what imports it can not even be collected.
collect_ignore = [] if find_spec("openshell") else ["ssh", "test_files.py", "test_hostile_transport.py"]


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """A process that forks gateways; each test, or module, has folders of its own in there (``House.rooms``)."""
    pytest.importorskip("openshell", reason="needs: the extra gateway")
    with House(tmp_path_factory.mktemp("house")) as made:
        yield made
