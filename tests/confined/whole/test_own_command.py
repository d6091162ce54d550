"""openshell in a sandbox of its own: what it is made of is granted with it, wherever that lies."""

import sys
from pathlib import Path

import pytest

from tests.confined.landlock.harness import needs_landlock

pytestmark = needs_landlock


def test_the_installed_command(anyone):
    """Started from any folder, also where its package lies elsewhere than its environment (``pip install -e``)."""
    command = Path(sys.executable).with_name("openshell")
    if not command.exists():
        pytest.skip("needs: the installed command")
    if anyone.run("-q", "--", sys.executable, "-c", "pass").returncode == 126:
        pytest.skip("needs: an environment that the sandbox's user may enter")
    done = anyone.run("-q", "--", command, "--version")
    assert (0, True) == (done.returncode, done.stdout.startswith("openshell ")), done.stderr
