"""A store of the test's own."""

import pytest

from pyopenshell.gateway.store import Store


@pytest.fixture
def path(tmp_path):
    """Where a store is to be; nothing is there yet."""
    return str(tmp_path / "gateway" / "store.db")


@pytest.fixture
def store(path):
    """A new store."""
    opened = Store.open(path)
    yield opened
    opened.close()
