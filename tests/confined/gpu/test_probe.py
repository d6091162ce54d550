"""``openshell gpu probe`` inside the real sandbox, with a driver library that asks for what the real one asks for."""

import errno
import json
import os
import shutil
import signal
import subprocess
import tempfile
from typing import Any

import pytest

import pyopenshell
from pyopenshell.devices.probe import attempt
from pyopenshell.kernel import namespaces as ns
from pyopenshell.landlock import downgrade
from tests.confined.gpu import fake
from tests.confined.landlock.harness import ABI, confined, errno_of, in_child, needs_landlock
from tests.confined.launch import world
from tests.confined.whole import callers
from tests.confined.whole.conftest import anyone, folder, root, user
from tests.unit.devices.test_probe import torch

__all__ = ["anyone", "folder", "root", "user"]
pytestmark = needs_landlock

SOURCES = os.path.dirname(os.path.dirname(os.path.abspath(pyopenshell.__file__)))
PROBE = (world.PYTHON, "-I", f"{SOURCES}/pyopenshell/__main__.py", "gpu", "probe", "-o", "json")
THREAD_NAMES = "/proc/self/task/<tid>/comm"
DEVICE = "/dev/zero"
"""A device that every policy may declare, in the place of a GPU's nodes."""
PRETENDED = (f"FAKE_CUDA_NODES={DEVICE}", f"FAKE_CUDA_GPUS={DEVICE}", "CUDA_VISIBLE_DEVICES=0")
"""No GPU is asked for then (``--gpu 0``), which hides all of them from CUDA: here one is to be seen."""
STEPS = ("driver library", "cuInit(0)", "devices")


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """The pretended library, built once."""
    return fake.build(tmp_path_factory.mktemp("cuda"))


@pytest.fixture
def library(built, workdir):
    """The folder of the library, in the working folder."""
    shutil.copy(built, workdir)
    return workdir


def probed(sandbox, library, *options, env=(), policy=None, more=(), **settings):
    """Run the probe in a sandbox; return its exit code and what it printed."""
    world.needs_python()
    passed = [word for one in (f"LD_LIBRARY_PATH={library}", *env) for word in ("--env", one)]
    done = sandbox.run("-q", *options, *passed, "--", *PROBE, *more, policy=policy or allowing(), **settings)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def allowing(read_only=(), read_write=(DEVICE,), **more):
    """Return a policy with this package, and a device to pretend with."""
    return world.policy(read_only=(SOURCES, *read_only), read_write=read_write, **more)


def outcomes(found):
    """Return the steps with the library: what came of each."""
    return tuple(step["status"] for step in found["steps"][:3])


def lacking(found):
    """Return the paths that were denied; what the host itself has not is another matter."""
    return [one["path"] for one in found["lacking"] if one["status"] == "denied"]


@pytest.mark.parametrize("choice", ["broker", "write_file"])
def test_it_works(anyone, library, choice):
    """Whichever way threads get their names: CUDA starts, shows its device, and nothing is looked for."""
    policy = allowing(runtime={"cuda_thread_names": choice})
    code, found = probed(anyone, library, "--gpu", "0", env=PRETENDED, policy=policy)
    assert ("ok", "ok", "ok") == outcomes(found), found
    assert (0, True, []) == (code, found["works"], found["lacking"])
    assert f"{library}/{fake.NAME}" == found["steps"][0]["found"]["path"]
    assert [round(step["seconds"], 3) for step in found["steps"][:3]] == [
        step["seconds"] for step in found["steps"][:3]
    ]
    expected = {"index": 0, "name": "Pretended GPU 0", "uuid": "GPU-10101010-1010-1010-1010-101010101010"}
    assert [expected] == found["steps"][2]["found"]["devices"]


@pytest.mark.parametrize("surroundings", ["namespaces", "no namespaces"])
def test_without_thread_names(anyone, library, surroundings):
    """Under ``off`` it is error 304, and of all accesses just naming a thread was denied, by the sandbox's rules."""
    anyone.world = world.WORLDS[surroundings]
    policy = allowing(runtime={"cuda_thread_names": "off"})
    code, found = probed(anyone, library, "--gpu", "0", env=PRETENDED, policy=policy)
    assert ("ok", "failed", "not tried") == outcomes(found)
    assert (1, 304, "CUDA_ERROR_OPERATING_SYSTEM") == (code, found["steps"][1]["code"], found["steps"][1]["error"])
    first = found["lacking"][0]
    assert (THREAD_NAMES, "EACCES") == (first["path"], first["answer"])
    assert first["by"].startswith("Landlock")
    assert "cuda_thread_names" in first["mend"]
    assert [THREAD_NAMES] == lacking(found)


def test_on_gpu_nodes(root, library):
    """With nodes of a GPU's names and ``--gpu`` nothing is pretended about, and it works."""
    world.needs_namespaces()
    code, found = probed(root, library, "--gpu", preexec_fn=fake.nodes(*fake.CONTROL, "nvidia0"))
    assert ("ok", "ok", "ok") == outcomes(found), found
    assert 0 == code


def test_without_asking_for_a_gpu(root, library):
    """The same nodes without ``--gpu``: all of them are named, and the threads."""
    world.needs_namespaces()
    code, found = probed(root, library, preexec_fn=fake.nodes(*fake.CONTROL, "nvidia0"))
    assert (1, 304) == (code, found["steps"][1]["code"])
    nodes = {f"/dev/{name}" for name in (*fake.CONTROL, "nvidia0")}
    assert {THREAD_NAMES, *nodes} == {path for path in lacking(found) if path.startswith(("/dev/nvidia", "/proc"))}
    assert all(one["by"].startswith("Landlock") for one in found["lacking"] if one["path"] in nodes)


@pytest.mark.parametrize("name", ["nvidia-uvm", "nvidia0"])
def test_a_node_declared_read_only(root, library, name):
    """The policy's own word wins over the baseline, CUDA fails for it, and that node is named and no other."""
    world.needs_namespaces()
    policy = allowing(read_only=(f"/dev/{name}",))
    code, found = probed(root, library, "--gpu", policy=policy, preexec_fn=fake.nodes(*fake.CONTROL, "nvidia0"))
    expected = {"nvidia-uvm": 304, "nvidia0": 100}[name]
    assert (1, expected) == (code, found["steps"][1]["code"])
    assert [f"/dev/{name}"] == lacking(found)
    assert "read-only" in found["lacking"][0]["mend"]


def test_file_modes_are_told_from_the_sandbox(root, library):
    """A node that only root may open: the kernel's answer is the same, and who gave it is not."""
    world.needs_namespaces()
    nodes = fake.nodes(*fake.CONTROL, "nvidia0", closed=("nvidia-uvm",))
    _, found = probed(root, library, "--gpu", preexec_fn=nodes)
    assert ["/dev/nvidia-uvm"] == lacking(found)
    assert "file modes: crw-------, of 0:0" == found["lacking"][0]["by"]
    assert "sudo chmod 0666 /dev/nvidia-uvm" in found["lacking"][0]["mend"]
    assert "read-only" not in found["lacking"][0]["mend"]


def test_file_modes_of_the_gpu(root, library):
    """The GPU that was asked for is denied by its mode; another, which was not asked for, is no cause and not named."""
    world.needs_namespaces()
    host = fake.nodes(*fake.CONTROL, "nvidia0", "nvidia1", closed=("nvidia0",))
    code, found = probed(root, library, "--gpu", policy=allowing(read_write=()), preexec_fn=host)
    assert (1, ["/dev/nvidia0"]) == (code, lacking(found))
    assert "NVreg_DeviceFileMode" in found["lacking"][0]["mend"]


def test_another_gpu_is_no_cause(root, library):
    """Where one GPU can be opened and CUDA fails for another reason, the GPU that is not granted is not blamed."""
    world.needs_namespaces()
    policy = allowing(read_write=(), runtime={"cuda_thread_names": "off"})
    code, found = probed(
        root, library, "--gpu", policy=policy, preexec_fn=fake.nodes(*fake.CONTROL, "nvidia0", "nvidia1")
    )
    assert (1, 304) == (code, found["steps"][1]["code"])
    assert [THREAD_NAMES] == lacking(found)


def test_a_hidden_gpu(anyone, library):
    """CUDA_VISIBLE_DEVICES can hide every GPU: the error alone does not say so."""
    env = (*PRETENDED[:2], "CUDA_VISIBLE_DEVICES=7")
    code, found = probed(anyone, library, "--gpu", "0", env=env)
    step = found["steps"][1]
    assert (1, 100) == (code, step["code"])
    assert "CUDA_VISIBLE_DEVICES is '7'" in step["message"]


@pytest.mark.parametrize(
    ("how", "told"), [("crash", "died of SIGSEGV"), ("abort", "died of SIGABRT"), ("exit", "ended without an answer")]
)
def test_a_driver_that_dies(anyone, library, how, told):
    """It takes its own step with it and nothing else, and what it prints spoils no document."""
    code, found = probed(anyone, library, "--gpu", "0", env=(*PRETENDED, f"FAKE_CUDA={how}"))
    assert ("ok", "failed", "not tried") == outcomes(found)
    assert f"{told} in cuInit(0)" == found["steps"][1]["message"]
    assert (1, False) == (code, found["works"])


def test_a_driver_that_hangs(anyone, library):
    """The time limit ends it."""
    env = (*PRETENDED, "FAKE_CUDA=hang")
    code, found = probed(anyone, library, "--gpu", "0", env=env, more=("--timeout", "1"))
    assert (1, "did not end within 1 seconds in cuInit(0)") == (code, found["steps"][1]["message"])


def test_an_interrupted_probe(user, library):
    """Ctrl-C ends it, and the driver's call that hangs with it."""
    marker = "6543"
    environment = user.environment | {"LD_LIBRARY_PATH": str(library), "FAKE_CUDA": "hang"}
    command = [*world.COMMAND, "gpu", "probe", "--timeout", marker]
    settings: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **callers.USER}
    with subprocess.Popen(command, cwd=library, env=environment, **settings) as probe:
        assert probe.stderr is not None
        assert "a line that a driver prints\n" == probe.stderr.readline()
        probe.send_signal(signal.SIGINT)
        assert 130 == probe.wait(world.SECONDS)
    assert [] == world.with_marker(f"--timeout\0{marker}")


@pytest.mark.skipif(ABI < 5, reason="needs: Landlock ABI 5")
@pytest.mark.parametrize(("rights", "answer"), [((), errno.EACCES), (("ioctl_dev",), 0)])
def test_ioctls_that_are_denied(rights, answer):
    """A device that opens and whose ioctls Landlock denies is told from a driver that does not know the request."""
    rules = [(DEVICE, ("read_file", "write_file", *rights))]
    handled = downgrade.handled(ABI, tcp=False)
    assert answer == confined(lambda: attempt.device(DEVICE), handled, rules)


def test_a_mount_without_devices(workdir):
    """The kernel says EACCES there too; file modes allow it, and no sandbox is about."""
    world.needs_root()
    world.needs_namespaces()
    node = f"{workdir}/node"

    def inside():
        callers.in_own_mounts(lambda: ns.mount("tmpfs", str(workdir), "tmpfs", ns.MS_NODEV, "mode=755"))()
        os.mknod(node, 0o020666, fake.ZERO)
        return [errno_of(lambda: attempt.device(node)), attempt.denier("device", node, errno.EACCES)]

    assert [errno.EACCES, attempt.MOUNT] == in_child(inside)


def test_a_library_that_may_not_be_read(anyone, built):
    """It is where the loader looks, in a folder that is not granted: that is said, and not that there is none."""
    with tempfile.TemporaryDirectory(prefix="openshell-test.", dir="/var/tmp") as folder:
        os.chmod(folder, 0o755)
        shutil.copy(built, folder)
        code, found = probed(anyone, folder, "--gpu", "0", env=PRETENDED)
    step = found["steps"][0]
    assert (1, "failed") == (code, step["status"])
    assert f"{folder}/{fake.NAME}" in step["message"]
    assert {"name": f"{folder}/{fake.NAME}", "answer": "EACCES"} in step["found"]["tried"]


def test_no_library(anyone, workdir):
    """A host without a driver is told so, and nothing else is tried."""
    if os.path.exists(f"/usr/lib/{os.uname().machine}-linux-gnu/{fake.NAME}"):
        pytest.skip("needs: a host without NVIDIA's driver")
    code, found = probed(anyone, workdir, "--gpu", "0")
    assert ("failed", "not tried", "not tried") == outcomes(found)
    assert (1, []) == (code, found["lacking"])
    assert "nowhere the loader looks" in found["steps"][0]["message"]


def test_it_leaves_nothing(user, library):
    """Outside of a sandbox too: the folders that it tries to write to hold what they held."""
    before = sorted(os.listdir(library))
    env = user.environment | {"LD_LIBRARY_PATH": str(library), "CUDA_CACHE_PATH": str(library), "FAKE_CUDA": "exit"}
    user.environment = env
    done = callers.verb(user, "gpu", "probe", "-o", "json")
    assert 1 == done.returncode, done.stderr
    assert before == sorted(os.listdir(library))
    assert [] == [name for name in os.listdir("/dev/shm") if "openshell-probe" in name]


def test_a_product_that_fails(anyone, library):
    """CUDA starts, and a program with it does not: then what programs need besides is tried, too."""
    (library / "torch.py").write_text(torch(start="raise RuntimeError('out of shared memory')"))
    (library / "python").write_text(f'#!/bin/sh\nPYTHONPATH={library} exec {world.PYTHON} -S "$@"\n')
    (library / "python").chmod(0o755)
    anyone.world = world.NO_NAMESPACES
    more = ("--python", f"{library}/python")
    code, found = probed(anyone, library, "--gpu", "0", env=PRETENDED, more=more)
    assert (1, "failed") == (code, found["steps"][3]["status"])
    assert "RuntimeError: out of shared memory" == found["steps"][3]["message"]
    assert ["/dev/shm"] == lacking(found)
