"""What importing the two packages costs: they run in every launch."""

from __future__ import annotations

import subprocess
import sys

import pytest

SLOW = {
    "re",
    "json",
    "typing",
    "dataclasses",
    "enum",
    "collections",
    "functools",
    "contextlib",
    "argparse",
    "signal",
    "socket",
    "subprocess",
    "shutil",
    "tempfile",
    "hashlib",
    "logging",
    "datetime",
    "pathlib",
}
MODULES = (
    "kernel.landlock",
    "kernel.namespaces",
    "kernel.process",
    "kernel.signals",
    "kernel.syscalls",
    "landlock.abi",
    "landlock.downgrade",
    "landlock.ruleset",
)


def imported_by(name: str) -> set[str]:
    """What is in ``sys.modules`` after importing one of ours into a bare interpreter."""
    program = f"import sys; sys.path[:0] = {sys.path!r}; import pyopenshell.{name}; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-I", "-S", "-c", program], text=True, capture_output=True, check=True)
    return set(run.stdout.split())


@pytest.mark.parametrize("name", MODULES)
def test_nothing_slow_is_imported(name: str):
    """None of the standard library's heavy modules comes along."""
    assert set() == SLOW & imported_by(name)


def test_the_pure_part_needs_no_ctypes():
    """Composition asks the tables without loading libc."""
    assert "ctypes" not in imported_by("landlock.downgrade")
