"""What the pytest plugin is called, and what it costs those who do not use it."""

import subprocess
import sys
import tomllib
from pathlib import Path

from pyopenshell.integrations import pytest_sandboxed

PROJECT = Path(__file__).parents[3] / "pyproject.toml"


def test_the_entry_point_is_a_name_that_is_not_looked_for_inside():
    """In a sandbox the plugin need not be readable, by whichever name it would be found."""
    points = tomllib.loads(PROJECT.read_text())["project"]["entry-points"]["pytest11"]
    assert [*pytest_sandboxed.NAMES] == [name for point in points.items() for name in point]


def test_it_imports_nothing_but_itself():
    """Everybody who has pyopenshell beside pytest loads it: it must not bring the rest along."""
    code = (
        "import sys, pytest; before = set(sys.modules); import pyopenshell.integrations.pytest_plugin;"
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pyopenshell pyopenshell.integrations pyopenshell.integrations.pytest_plugin\n" == done.stdout
