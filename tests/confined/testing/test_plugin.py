"""The fixtures, in a suite of their own under another pytest."""

import os
import subprocess
import sys

from pyopenshell import runs
from tests.confined.landlock.harness import needs_landlock

SUITE = """
import os
import pytest
from pyopenshell import runs

pytest_plugins = ["pyopenshell.testing.plugin"]
boxes = []

def test_a_sandbox(openshell_sandbox, openshell_workdir, openshell_events, openshell_state):
    box = openshell_sandbox(name="fixture", env={"WORD": "hello"})
    assert "hello" == box.run(["/bin/sh", "-c", "touch made; echo $WORD"]).stdout.strip()
    assert ["made"] == os.listdir(openshell_workdir)
    assert box.record.startswith(str(openshell_state))
    assert openshell_events.of("sandbox.start", sandbox="fixture")
    other = openshell_sandbox(workdir="/usr/lib")
    assert "/usr/lib" == other.run(["pwd"]).stdout.strip()
    boxes.extend([box, other])

def test_it_is_closed_and_forgotten(openshell_state, openshell_events):
    assert [False, False] == [box.is_open for box in boxes]
    assert [] == runs.list_runs()
    assert 0 == len(openshell_events)

def test_without_pytest():
    import pyopenshell.testing
"""


@needs_landlock
def test_the_fixtures(tmp_path):
    """They do what they say, in whatever order, and leave nothing in the person's own state."""
    (tmp_path / "test_suite.py").write_text(SUITE)
    before = [view.id for view in runs.list_runs()]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", "-W", "error"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert 0 == done.returncode, done.stdout + done.stderr
    assert before == [view.id for view in runs.list_runs()]


def test_pytest_is_not_needed():
    """The helpers work where no pytest is: only the plugin imports it."""
    code = "import sys; sys.modules['pytest'] = None; import pyopenshell.testing"
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ)
