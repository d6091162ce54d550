"""CUDA in the real sandbox on a real GPU: from the command, from a grandchild, from several processes at once."""

import json
import os
import shutil

import pytest
from evidence import gpu_host

from tests.confined.landlock.harness import needs_landlock
from tests.confined.launch import world
from tests.gpu import ways

pytestmark = needs_landlock

WORKING = ("auto", *(mode for mode in gpu_host.MODES if mode != "off"))
THREAD_NAMES = "/proc/self/task/<tid>/comm"
SMI = shutil.which("nvidia-smi", path=os.environ.get("PATH", "") + ":/usr/bin:/usr/local/nvidia/bin")
DENIED = """
import os, sys
for path in sys.argv[1:]:
    try:
        os.open(path, os.O_RDWR)
    except PermissionError:
        print(path)
"""
each_way = pytest.mark.parametrize("how", ways.HOW)


@pytest.fixture
def run(anyone, place, torch):
    """Run a command in a sandbox; return exit code, output and messages of each process."""
    python = gpu_host.interpreter()
    if not gpu_host.reachable(python):
        pytest.skip("needs: a Python from 3.11 on that other users can execute")
    passed, libraries = gpu_host.loading(anyone.environment)
    folders = [place, *gpu_host.places_of(python), *libraries, *(torch.folders if torch else ())]

    def started(mode, how, *command, gpu=("--gpu",), read_only=()):
        options = ["-q", *gpu, *passed]
        policy = gpu_host.policy(mode, [*folders, *read_only])
        words = ways.words(how, command)
        return ways.answers(how, anyone.run(*options, "--", *words, policy=policy, timeout=gpu_host.SECONDS))

    return started


@pytest.fixture
def probe(place, torch):
    """The command line of the probe, with a product where PyTorch is."""
    return gpu_host.probe(place, torch and torch.python)


def test_it_works_outside(outside, torch):
    """Without a sandbox: else no sandbox is to blame for what follows."""
    assert [] == [step for step in outside["steps"][:3] if step["status"] != "ok"]
    if torch:
        assert "ok" == outside["steps"][3]["status"], outside["steps"][3]


@each_way
@pytest.mark.parametrize("mode", WORKING)
def test_cuda(run, probe, outside, torch, mode, how):
    """Each way that names threads: CUDA starts, counts what there is, and the product is right where PyTorch is."""
    for code, out, err in run(mode, how, *probe, gpu=("--gpu", "all")):
        assert out, err
        told = json.loads(out)
        expected = ["ok", "ok", "ok", "ok" if torch else "not tried"]
        assert expected == [step["status"] for step in told["steps"]], told
        assert outside["steps"][2]["found"]["devices"] == told["steps"][2]["found"]["devices"]
        assert 0 == code


@each_way
def test_off(run, probe, how):
    """Without thread names cuInit() answers 304, and what was denied first is just that."""
    for code, out, err in run("off", how, *probe):
        assert out, err
        told = json.loads(out)
        assert (1, 304, "CUDA_ERROR_OPERATING_SYSTEM") == (code, *(told["steps"][1][key] for key in ("code", "error")))
        assert THREAD_NAMES == told["lacking"][0]["path"]
        assert [THREAD_NAMES] == [one["path"] for one in told["lacking"] if one["status"] == "denied"]


@each_way
@pytest.mark.parametrize("mode", gpu_host.MODES)
def test_nvidia_smi(run, mode, how):
    """The driver's own tool lists a GPU, under ``off`` too: it names no threads, so it proves nothing about CUDA."""
    if SMI is None:
        pytest.skip("needs: nvidia-smi")
    for code, out, err in run(mode, how, SMI, "-L", read_only=gpu_host.outside([os.path.dirname(SMI)])):
        assert 0 == code, out + err
        assert "GPU 0" in out


def test_without_asking_for_a_gpu(run, probe):
    """No node of a GPU can be opened, so CUDA does not start."""
    ((code, out, err),) = run("broker", "the command", *probe, gpu=())
    assert out, err
    told = json.loads(out)
    assert (1, "failed") == (code, told["steps"][1]["status"])
    denied = {one["path"] for one in told["lacking"] if one["status"] == "denied"}
    assert set(gpu_host.gpus()) <= denied


def test_a_gpu_that_is_not_granted(run, probe):
    """One of several: CUDA shows one, and the nodes of the others cannot be opened."""
    if len(gpu_host.gpus()) < 2:
        pytest.skip("needs: two GPUs")
    ((code, out, err),) = run("broker", "the command", *probe, gpu=("--gpu", "1"))
    assert out, err
    assert (0, 1) == (code, len(json.loads(out)["steps"][2]["found"]["devices"]))
    words = (gpu_host.interpreter(), "-I", "-S", "-c", DENIED, *gpu_host.gpus())
    ((code, out, err),) = run("broker", "the command", *words, gpu=("--gpu", "1"))
    assert (0, len(gpu_host.gpus()) - 1) == (code, len(out.split())), err


def test_all_is_as_reported(anyone):
    """``--verify`` finds no drift in a sandbox with a GPU: the nodes open, and their drivers' ioctls pass."""
    done = anyone.run("--verify", "--gpu", "--", "/bin/true", timeout=world.SECONDS)
    assert 0 == done.returncode, done.stderr
