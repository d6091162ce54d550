"""The tests that take a GPU, and the record of one, on pretended GPUs: a real one must not find their own faults."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from evidence import gpu_host
from evidence.gpu_page import render

from tests.confined.gpu import fake
from tests.confined.landlock.harness import needs_landlock
from tests.confined.launch import world
from tests.unit.devices.test_probe import torch

pytestmark = needs_landlock

CHOSEN = "root and (several or asking or granted or reported) and not write_file and not declared"
SECONDS = 300
TAKE = "import json, sys\nfrom evidence import gpu\nprint(json.dumps(gpu.take()), file=sys.stderr)"
SMI = '#!/bin/sh\necho "GPU 0: Pretended GPU (UUID: GPU-0)"\n'


@pytest.fixture(scope="module")
def host():
    """A folder with what a GPU's host has: the driver library, nvidia-smi, a Python with PyTorch."""
    world.needs_root()
    world.needs_namespaces()
    world.needs_python()
    with tempfile.TemporaryDirectory(prefix="openshell-test.", dir="/var/tmp") as name:
        folder = Path(name)
        fake.build(folder)
        (folder / "torch.py").write_text(torch())
        (folder / "nvidia-smi").write_text(SMI)
        (folder / "python3").write_text(f'#!/bin/sh\nexport PYTHONPATH={folder}\nexec {world.PYTHON} -S "$@"\n')
        for path in (folder, folder / "nvidia-smi", folder / "python3"):
            path.chmod(0o755)
        yield folder


def on(host, *command):
    """Run a program of this checkout on such a host, with two GPUs."""
    environment = os.environ | {"LD_LIBRARY_PATH": str(host), "PATH": f"{host}:{os.environ['PATH']}"}
    return subprocess.run(
        [sys.executable, *command],
        cwd=gpu_host.CHECKOUT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
        preexec_fn=fake.nodes(*fake.CONTROL, "nvidia0", "nvidia1"),
    )


def test_the_tests(host):
    """They say what the host is and pass: each way to run a command, each kind of sandbox, and none is skipped."""
    done = on(host, "-m", "tests.gpu", "-k", CHOSEN, "-p", "no:cacheprovider")
    assert 0 == done.returncode, done.stdout
    assert "gpus                  /dev/nvidia0, /dev/nvidia1" in done.stdout.splitlines()
    assert "skipped" not in done.stdout.splitlines()[-1]


def test_without_a_gpu():
    """It is said that nothing was run, and why, and that is no failure; the tests are not even collected."""
    if gpu_host.gpus():
        pytest.skip("needs: a host without a GPU")
    done = subprocess.run(
        [sys.executable, "-m", "tests.gpu"], cwd=gpu_host.CHECKOUT, capture_output=True, text=True, check=False
    )
    assert (0, "") == (done.returncode, done.stderr)
    assert done.stdout.startswith("nothing of tests/gpu was run: there is no device node of a GPU")


def test_the_record(host):
    """CUDA started while it was watched, and in a sandbox under every way to name threads but ``off``."""
    done = on(host, "-c", TAKE)
    assert 0 == done.returncode, done.stderr
    found = json.loads(done.stderr.splitlines()[-1])
    assert [0, 0, 2] == found["recorded"]["answers"]
    started = {mode: told["steps"]["cuInit(0)"]["code"] for mode, told in found["modes"].items()}
    assert {"broker": None, "write_file": None, "declared": None, "off": 304} == started
    assert ["/proc/self/task/<tid>/comm"] == found["modes"]["off"]["lacking"]
    page = render(found)
    assert "| openat | `/dev/nvidiactl` | `O_RDWR` | ok | 1 |" in page
    assert "| write | `/proc/<pid>/task/<tid>/comm` | `cuda<n>` | ok | 1 |" in page
