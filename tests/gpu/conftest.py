"""What runs only on a machine with a GPU, when asked for; and whose sandboxes are tried there."""

import json
import os
import subprocess
import sys
import tempfile

import pytest
from evidence import gpu_host

from tests.confined.whole import callers
from tests.confined.whole.conftest import folder, root, user

__all__ = ["folder", "root", "user"]

ASKED = "OPENSHELL_TEST_GPU"
"""The environment variable that ``make test-gpu`` sets. ``make test`` is the same on every machine."""
TAKES_A_GPU = "test_on_"
"""How the names of the files begin whose tests take a GPU."""


def pytest_ignore_collect(collection_path):
    """Leave out what takes a GPU unless that was asked for: it is neither run nor counted as skipped."""
    return True if collection_path.name.startswith(TAKES_A_GPU) and ASKED not in os.environ else None


@pytest.fixture(scope="session")
def place():
    """A folder that everybody can read, with the package in it."""
    with tempfile.TemporaryDirectory(prefix="openshell-test.", dir="/var/tmp") as path:
        os.chmod(path, 0o755)
        yield gpu_host.copy_sources(f"{path}/sources")


@pytest.fixture(scope="session")
def torch():
    """The PyTorch with CUDA, None where none can be executed in a sandbox."""
    found = gpu_host.pytorch()
    return found if found and gpu_host.reachable(found.python) else None


@pytest.fixture(params=["root", "user"])
def anyone(request):
    """The command as root, and as an ordinary user who can execute this interpreter and read this checkout."""
    if request.param == "root":
        return request.getfixturevalue("root")
    sandbox = request.getfixturevalue("user")
    tried = [sys.executable, "-c", "import pyopenshell"]
    try:
        works = subprocess.run(tried, cwd="/", capture_output=True, check=False, **callers.USER).returncode == 0
    except PermissionError:
        works = False
    if not works:
        pytest.skip("needs: an interpreter and a checkout that other users can reach")
    return sandbox


@pytest.fixture(scope="session")
def outside(place, torch):
    """What the probe says without a sandbox: where that fails, no sandbox is to blame."""
    command = gpu_host.probe(place, torch and torch.python)
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=gpu_host.SECONDS, cwd="/")
    assert done.stdout, done.stderr
    return json.loads(done.stdout)
