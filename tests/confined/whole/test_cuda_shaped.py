"""A program that does what programs with CUDA do (cuda_shaped.c): it works, and without thread names only they fail."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.confined.landlock.harness import needs_landlock
from tests.confined.launch import world
from tests.confined.whole import callers

pytestmark = needs_landlock

SOURCE = Path(__file__).with_name("cuda_shaped.c")
WHO = ("the program", "a child", "a grandchild", "a program it executed", "a daemon")
CASES = ("devices", "memory", "procfs", "events", "own name", "other threads' names", "cache")
WORKS = "cuInit() would return 0, CUDA_SUCCESS"
FAILS = "cuInit() would return 304, CUDA_ERROR_OPERATING_SYSTEM"
ROUNDS = 5
DEVICE = "/dev/zero"
"""A device for policies to declare."""
NODES = ("nvidiactl", "nvidia-uvm", "nvidia0")
ZERO = os.makedev(1, 5)


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """The program, built once."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs: C compiler")
    program = tmp_path_factory.mktemp("cuda") / "cuda-shaped"
    subprocess.run([compiler, "-Wall", "-Wextra", "-Werror", "-pthread", "-o", program, SOURCE], check=True)
    return program


@pytest.fixture
def program(built, workdir):
    """The program in the working folder."""
    return shutil.copy(built, workdir)


@pytest.fixture(params=["namespaces", "no namespaces"])
def surroundings(request):
    """With namespaces, and where none can be made."""
    if request.param == "namespaces":
        world.needs_namespaces()
    return world.WORLDS[request.param]


def lines(failing=(), how=""):
    """What it prints when these cases fail, and no other."""
    told = [
        f"failed  {who}: {case}: {how}" if case in failing else f"ok      {who}: {case}"
        for who in WHO
        for case in CASES
    ]
    return [*told, FAILS if failing else WORKS]


def policy(choice):
    """Return a policy with this choice, and a device."""
    return world.policy(read_write=(DEVICE,), runtime={"cuda_thread_names": choice})


def test_it_works_by_default(anyone, program, surroundings):
    """Under the built-in policy with a GPU's permissions everything does."""
    anyone.world = surroundings
    done = anyone.run("-q", "--gpu", "0", "--", program, ROUNDS)
    assert lines() == done.stdout.splitlines(), done.stderr
    assert 0 == done.returncode


@pytest.mark.parametrize("choice", ["auto", "broker", "write_file"])
def test_it_works(anyone, program, surroundings, choice):
    """Whichever way its threads get their names, and with a declared device."""
    anyone.world = surroundings
    done = anyone.run("-q", "--gpu", "0", "--", program, ROUNDS, DEVICE, policy=policy(choice))
    assert lines() == done.stdout.splitlines(), done.stderr
    assert 0 == done.returncode


def test_without_thread_names_only_they_fail(anyone, program, surroundings):
    """Under ``off`` naming other threads is denied to everybody, as cuInit() meets it, and all else works."""
    anyone.world = surroundings
    done = anyone.run("-q", "--gpu", "0", "--", program, ROUNDS, DEVICE, policy=policy("off"))
    expected = lines(["other threads' names"], f"name another thread: {os.strerror(13)}")
    assert expected == done.stdout.splitlines(), done.stderr
    assert 1 == done.returncode


def test_it_works_on_gpu_nodes(root, program):
    """With nodes of a GPU's names and ``--gpu`` it opens them and its ioctls reach their driver."""
    world.needs_namespaces()
    done = root.run("-q", "--gpu", "--", program, ROUNDS, *(f"/dev/{name}" for name in NODES), preexec_fn=nodes())
    assert lines() == done.stdout.splitlines(), done.stderr


def test_without_a_gpu_request_they_are_closed(root, program):
    """The same nodes without ``--gpu``: they cannot be opened, no thread be named, and there is no cache."""
    world.needs_namespaces()
    done = root.run("-q", "--", program, 1, *(f"/dev/{name}" for name in NODES), preexec_fn=nodes())
    failed = {line.split(": ")[1] for line in done.stdout.splitlines() if line.startswith("failed")}
    assert {"devices", "other threads' names", "cache"} == failed
    assert f"failed  the program: devices: open /dev/nvidiactl: {os.strerror(13)}" in done.stdout.splitlines()
    assert 1 == done.returncode


def nodes():
    """Return a ``preexec_fn`` that gives the program GPU nodes: their names, and the driver of /dev/zero."""

    def make():
        for name in NODES:
            os.unlink(f"/dev/{name}")
            os.mknod(f"/dev/{name}", 0o020666, ZERO)

    return callers.in_own_mounts(callers.devices(*NODES), make)
