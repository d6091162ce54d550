"""What is shipped: the wheel holds the whole package, and pip makes a command from it that starts fast."""

import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OLDEST_SETUPTOOLS = 77


def installed_setuptools():
    """The major version of the setuptools in this environment, 0 without one."""
    try:
        return int(importlib.metadata.version("setuptools").partition(".")[0])
    except importlib.metadata.PackageNotFoundError:
        return 0


def pip(*arguments):
    """Run pip without network and without building environments."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "--quiet",
        "--disable-pip-version-check",
        "--no-input",
        *map(str, arguments),
    ]
    subprocess.run(command, check=True, env={**os.environ, "PIP_NO_INDEX": "1"})


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of this checkout, made from a copy: building litters."""
    if not importlib.util.find_spec("pip") or installed_setuptools() < OLDEST_SETUPTOOLS:
        pytest.skip(f"needs: pip and setuptools {OLDEST_SETUPTOOLS}")
    folder = tmp_path_factory.mktemp("wheel")
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in ("src", "bin"):
        shutil.copytree(ROOT / name, folder / "copy" / name, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / "copy")
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, folder / "copy")
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_every_file_of_the_package(wheel):
    """Data files too: schemas, the default policy, completions."""
    sources = [path for path in (ROOT / "src" / "pyopenshell").rglob("*") if path.is_file()]
    expected = {str(path.relative_to(ROOT / "src")) for path in sources if "__pycache__" not in path.parts}
    names = set(zipfile.ZipFile(wheel).namelist())
    assert set() == expected - names
    assert set() == {name for name in names if name.startswith("pyopenshell/")} - expected


def test_the_licence_is_shipped(wheel):
    """Whoever gets the package gets its licence."""
    names = zipfile.ZipFile(wheel).namelist()
    assert [True] == [True for name in names if name.endswith(".dist-info/licenses/LICENSE")]


def test_the_installed_command(wheel, tmp_path):
    """Pip names the environment's interpreter in it, makes it executable, and compiles what it imports.

    It is a script of ours and no entry point: the wrapper that pip writes for those imports ``re``.
    """
    pip("install", "--no-deps", "--ignore-installed", "--prefix", tmp_path, wheel)
    command = tmp_path / "bin" / "openshell"
    lines = command.read_text().splitlines()
    assert f"#!{sys.executable}" == lines[0]
    assert {"pyopenshell.__main__"} == {line.split()[1] for line in lines if "import" in line.split()} - {"sys"}
    assert os.access(command, os.X_OK)
    package = next(tmp_path.rglob("pyopenshell/__main__.py")).parent
    compiled = importlib.util.cache_from_source(str(package / "launch" / "child.py"))
    assert os.path.exists(compiled)
    path = {**os.environ, "PYTHONPATH": str(package.parent)}
    done = subprocess.run([command, "--version"], capture_output=True, text=True, env=path)
    assert (0, "openshell ") == (done.returncode, done.stdout[:10]), done.stderr
