"""The examples do in a sandbox what they say, and can tell when there is none."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.confined.landlock.harness import needs_landlock

ROOT = Path(__file__).parents[3]
POLICIES = ROOT / "examples" / "policies"
CASES = ("the program itself", "a child", "a grandchild", "a program it executed", "a daemon, re-parented")


@pytest.fixture
def copied(workdir):
    """Copy a file into the working folder, executable, and return its path."""

    def copy(source, name):
        target = workdir / name
        shutil.copyfile(source, target)
        target.chmod(0o755)
        return target

    return copy


@pytest.fixture(params=["C", "Python"])
def thread_names(request, copied, workdir):
    """The CUDA-shaped program, in both its versions."""
    if request.param == "Python":
        return copied(ROOT / "examples" / "thread_names.py", "thread-names")
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("needs: gcc")
    target = workdir / "thread-names"
    subprocess.run([compiler, "-pthread", "-o", target, ROOT / "examples" / "thread-names.c"], check=True)
    return target


@needs_landlock
def test_the_agent_works_and_is_denied_the_rest(openshell, copied):
    """All its work succeeds and all else is denied."""
    if not os.path.isdir("/usr/local/bin"):
        pytest.skip("needs: /usr/local/bin")  # it tries to write there
    copied(ROOT / "examples" / "agent.py", "agent.py")
    result = openshell("run", "--policy", POLICIES / "agent.yaml", "--", "python3", "agent.py")
    assert (0, "agent: 4 of 4 allowed, 12 of 12 denied") == (result.returncode, last_line(result)), result.stdout


def test_the_agent_notices_that_there_is_no_sandbox(workdir):
    """The proof above can fail: without a sandbox, file modes alone let it do some of what it should not."""
    result = subprocess.run(
        ["/usr/bin/python3", ROOT / "examples" / "agent.py"],
        cwd=workdir,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert 1 == result.returncode
    assert "list the root folder      ALLOWED" in result.stdout


@needs_landlock
def test_cuda_names_its_threads_and_its_descendants(openshell, thread_names):
    """With a GPU's permissions and no device, every kind of descendant names its threads."""
    result = openshell("run", "--gpu", "0", "--policy", POLICIES / "cuda.yaml", "--", "./thread-names")
    expected = [f"ok      {case}: its thread is called cuda-worker" for case in CASES]
    assert [*expected, "cuInit() could name its threads here"] == result.stdout.splitlines(), result.stderr
    assert 0 == result.returncode


@needs_landlock
def test_without_a_gpu_request_no_thread_is_named(openshell, thread_names):
    """The same policy without --gpu: the program fails as cuInit() would."""
    result = openshell("run", "--policy", POLICIES / "cuda.yaml", "--", "./thread-names")
    expected = [f"denied  {case}: {os.strerror(13)}" for case in CASES]
    assert [*expected, "cuInit() would fail here: error 304, CUDA_ERROR_OPERATING_SYSTEM"] == result.stdout.splitlines()
    assert 1 == result.returncode


def last_line(result):
    """The last line a program printed."""
    return (result.stdout.splitlines() or [""])[-1]
