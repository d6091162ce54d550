"""What the clients' tests use. They need what the registry has: only ``make test-clients`` runs them."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.conformance.clients.environments import ASKED
from tests.conformance.clients.gateway import Gateway


def pytest_ignore_collect(collection_path):
    """Leave these tests out unless they were asked for: they are neither run nor counted as skipped."""
    return True if collection_path.name.startswith("test_") and ASKED not in os.environ else None


@pytest.fixture(scope="module")
def open_place():
    """A folder that everybody can enter, for as long as the tests of one client take."""
    folder = Path(tempfile.mkdtemp(prefix="openshell-test.", dir="/var/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def gateway(open_place):
    """A gateway that the tests of one client have to themselves."""
    with Gateway(open_place) as running:
        yield running
