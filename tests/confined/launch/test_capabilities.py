"""A root that lacks capabilities, as in a container: the kernel then hides from it what has changed its identity."""

import shutil
import subprocess

import pytest

from tests.confined.launch import world

ROUNDS = 5
"""Who is first, supervisor or init, is left to chance: so often it never ends well."""


@pytest.fixture
def setpriv():
    """The program that takes capabilities away."""
    world.needs_root()
    found = shutil.which("setpriv")
    if found is None:
        pytest.skip("needs: setpriv")
    return found


def test_root_that_may_not_trace(everywhere, setpriv):
    """The supervisor looks at init's namespaces before init changes its uid: afterwards it could not."""
    argv = [setpriv, "--bounding-set=-sys_ptrace", "--", *everywhere.argv("-q", "--", "true")]
    for _ in range(ROUNDS):
        done = subprocess.run(argv, cwd=everywhere.workdir, env=everywhere.environment, capture_output=True, text=True)
        assert (0, "", "") == world.outcome(done)
