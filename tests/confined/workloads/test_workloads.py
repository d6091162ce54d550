"""What people really run, under the built-in default policy: this folder, no network, no GPU.

Each program is the system's. A test whose program is not installed says so: ``needs: node``.
"""

import os
import shutil
import subprocess
import tempfile
import zipfile

import pytest

from tests.confined.landlock.harness import needs_landlock

pytestmark = needs_landlock

IN_ENVIRONMENT = "import sys; print(sys.prefix != sys.base_prefix)"
MATRICES = """\
import torch
product = torch.arange(6.0).reshape(2, 3) @ torch.arange(6.0).reshape(3, 2)
print(product.tolist())
"""
PRODUCT = "[[10.0, 13.0], [28.0, 40.0]]\n"


@pytest.fixture
def inside(openshell, workdir):
    """Run a command in a sandbox with the default policy; return what it printed, having checked that it succeeded."""

    def run(*command):
        result = openshell("run", "--", *command)
        assert (0, "") == (result.returncode, "" if result.returncode == 0 else result.stderr + result.stdout)
        return result.stdout

    return run


@pytest.fixture
def script(workdir):
    """Write a file into the working folder, readable by everyone, and return its path."""

    def write(name, text):
        path = workdir / name
        path.write_text(text)
        path.chmod(0o644)
        return path

    return write


def needs(program):
    """Skip the test unless the system has this program outside of private homes; return its path."""
    found = shutil.which(program, path="/usr/bin:/bin")
    if found is None:
        pytest.skip(f"needs: {program}")
    return found


def needs_module(name):
    """Skip the test unless the system's Python has this module."""
    folders = [f"/usr/lib/python3/dist-packages/{name}"]
    folders += [f"/usr/lib/python3.{minor}/{name}" for minor in range(11, 20)]
    if not any(os.path.isdir(folder) for folder in folders):
        pytest.skip(f"needs: Python's module {name}")


@pytest.fixture
def python():
    """The system's interpreter."""
    return needs("python3")


def test_uuid(inside, python):
    """Random identifiers: /dev/urandom and getrandom(2) are there."""
    assert 37 == len(inside(python, "-c", "import uuid; print(uuid.uuid4())"))


def test_python_finds_itself_by_path(inside):
    """A bare ``python3`` resolves to an interpreter that the sandbox's user can execute."""
    assert "2\n" == inside("python3", "-c", "print(1 + 1)")


def test_git_commit_and_clone(inside, script):
    """Git makes a repository, commits to it and clones it locally (it links, renames and locks files)."""
    needs("git")
    script(
        "work.sh",
        """set -e
        git init -q -b main origin
        cd origin
        echo one > file
        git add file
        git -c user.name=tester -c user.email=tester@example.org commit -q -m first
        cd ..
        git clone -q origin copy
        git -C copy log --format=%s
        cat copy/file
        """,
    )
    assert "first\none\n" == inside("sh", "work.sh")


def test_gcc_compiles_and_the_program_runs(inside, script):
    """A compiler with its temporary files, and the program it made, executed from the working folder."""
    needs("gcc")
    script("answer.c", '#include <stdio.h>\nint main(void) { puts("42"); return 0; }\n')
    inside("gcc", "-O1", "-o", "answer", "answer.c")
    assert "42\n" == inside("./answer")


def test_node_reads_and_writes(inside, script, workdir):
    """Node with its threads, writing a file."""
    needs("node")
    script("work.js", "require('fs').writeFileSync('out.txt', String(6 * 7)); console.log(process.platform)")
    assert "linux\n" == inside("node", "work.js")
    assert "42" == (workdir / "out.txt").read_text()


def wheel(folder):
    """Write the wheel of a package ``greeting`` with one function and one command, and return its path."""
    path = folder / "greeting-1.0-py3-none-any.whl"
    info = "greeting-1.0.dist-info"
    files = {
        "greeting.py": "def main():\n    print('hello from a wheel')\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: greeting\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[console_scripts]\ngreeting = greeting:main\n",
    }
    record = "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(name, text)
    path.chmod(0o644)
    return path


def test_pip_installs_a_local_wheel_into_a_venv(inside, python, workdir):
    """A virtual environment is made, pip installs into it without network, and what it installed runs."""
    needs_module("ensurepip")
    wheel(workdir)
    inside(python, "-m", "venv", "env")
    inside("env/bin/python", "-m", "pip", "install", "-q", "--no-index", "--find-links", ".", "greeting")
    assert "hello from a wheel\n" == inside("env/bin/greeting")
    assert "True\n" == inside("env/bin/python", "-c", IN_ENVIRONMENT)


def test_an_environment_outside_the_working_folder(inside, python):
    """The environment a command belongs to is granted with it, read-only, wherever it lies."""
    with tempfile.TemporaryDirectory(prefix="openshell-test.", dir="/var/tmp") as folder:
        os.chmod(folder, 0o755)
        subprocess.run([python, "-m", "venv", "--without-pip", f"{folder}/env"], check=True)
        assert "True\n" == inside(f"{folder}/env/bin/python", "-c", IN_ENVIRONMENT)


@pytest.mark.slow
def test_torch_multiplies_matrices(inside, python, script):
    """PyTorch on the CPU: threads, large libraries, /proc/cpuinfo, shared memory."""
    needs_module("torch")
    script("product.py", MATRICES)
    assert PRODUCT == inside(python, "product.py")


@pytest.mark.slow
def test_torch_in_a_venv_multiplies_matrices(inside, python, script):
    """The same from a virtual environment in the working folder that sees the system's packages."""
    needs_module("torch")
    needs_module("ensurepip")
    script("product.py", MATRICES)
    inside(python, "-m", "venv", "--system-site-packages", "--without-pip", "env")
    assert PRODUCT == inside("env/bin/python", "product.py")
