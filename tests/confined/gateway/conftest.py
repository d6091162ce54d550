"""What tests of gateways share."""

import pytest

from tests.confined.gateway.house import House


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """A process that forks gateways; each test, or module, has folders of its own in there (``House.rooms``)."""
    pytest.importorskip("openshell", reason="needs: the extra gateway")
    with House(tmp_path_factory.mktemp("house")) as made:
        yield made
