"""What every test may use: a state folder apart from the person's who tests, and a folder that a sandbox may write."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

# Before anything imports gRPC: a child of fork(2) is aborted by what gRPC does in it, and tests fork.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

from pyopenshell import testing
from pyopenshell.testing import state

# Tests start programs in other folders, where a relative entry would mean something else.
if "PYTHONPATH" in os.environ:
    os.environ["PYTHONPATH"] = os.pathsep.join(map(os.path.abspath, os.environ["PYTHONPATH"].split(os.pathsep)))


@pytest.fixture(scope="session", autouse=True)
def state_folder(tmp_path_factory):
    """The folder under which the commands of this test run keep their state and configuration."""
    folder = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder))
        patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        yield folder


def whom_sandboxes_run_as():
    """The uid of the sandboxes of whoever tests: their own; root's is the account ``sandbox``, else ``nobody`` here."""
    return state.sandbox_uid()


@pytest.fixture
def open_folder():
    """An empty folder that everybody can enter, for tests of what others find; pytest's own are closed to them."""
    folder = Path(tempfile.mkdtemp(prefix="openshell-test."))
    os.chmod(folder, 0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def workdir():
    """An empty folder whose owner is whom the sandbox runs as; pytest's own folders are closed to them."""
    with testing.open_workdir() as folder:
        yield folder
