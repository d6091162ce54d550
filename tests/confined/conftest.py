"""The command, as a person types it."""

import subprocess
import sys

import pytest

from tests.confined.landlock import harness

SECONDS = 120
"""How long a command may take before its test fails."""


@pytest.fixture
def openshell(workdir):
    """Run ``openshell`` with these arguments in the working folder; return what came of it, as text."""

    def run(*arguments, **options):
        words = [*map(str, arguments)]
        words[1:1] = harness.options(words) if words[:1] == ["run"] else ()
        command = [sys.executable, "-m", "pyopenshell", *words]
        settings = {"cwd": workdir, "capture_output": True, "text": True, "timeout": SECONDS, "check": False}
        return subprocess.run(command, stdin=subprocess.DEVNULL, **(settings | options))

    return run
