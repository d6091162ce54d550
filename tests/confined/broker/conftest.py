"""Programs in C for these tests, and the command as root and as an ordinary user."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.confined.whole.conftest import anyone, folder, root, user

__all__ = ["anyone", "folder", "root", "user"]
SOURCES = Path(__file__).with_name("programs")


@pytest.fixture(scope="session")
def compiled():
    """Compile a program of the folder ``programs``, once; return its path, which everybody can execute."""
    if not (compiler := shutil.which("cc")):
        pytest.skip("needs: C compiler")
    place = Path(tempfile.mkdtemp(prefix="openshell-test."))
    os.chmod(place, 0o755)

    def compile_(name):
        binary = place / name
        if not binary.exists():
            command = [compiler, "-O1", "-Wall", "-Werror", "-pthread", "-o", binary, SOURCES / f"{name}.c"]
            subprocess.run(command, check=True)
        return str(binary)

    yield compile_
    shutil.rmtree(place)
