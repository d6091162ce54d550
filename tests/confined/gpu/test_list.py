"""``openshell gpu list`` on a host with real device nodes of its own, a driver's /proc, and a library that answers."""

import json
import os
import stat
import tempfile
from pathlib import Path

import pytest

from pyopenshell.devices import nodes
from pyopenshell.kernel import namespaces as ns
from tests.confined.gpu import fake_library
from tests.confined.landlock.harness import NOBODY
from tests.confined.launch import world
from tests.confined.whole import callers
from tests.unit.devices.hosts import INFORMATION

FIRST, SECOND = "GPU-11111111-0000-0000-0000-000000000001", "GPU-22222222-0000-0000-0000-000000000002"
MASKED = "GPU-????????-????-????-????-????????????"
CAPS = ("nvidia-caps/nvidia-cap1", "nvidia-caps/nvidia-cap21", "nvidia-caps/nvidia-cap22")
VARIABLES = ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "NVIDIA_VISIBLE_DEVICES", "SLURM_STEP_GPUS", "SLURM_JOB_GPUS")
DEVICES = Path("/sys/fs/cgroup/devices")
SPEC = """\
cdiVersion: 0.5.0
kind: nvidia.com/gpu
devices:
  - name: "0"
    containerEdits: {deviceNodes: [{path: /dev/nvidia0, hostPath: /dev/first}]}
  - name: "1:0"
    containerEdits:
      deviceNodes:
        - path: /dev/nvidia0
        - path: /dev/nvidia-caps/nvidia-cap21
        - path: /dev/nvidia-caps/nvidia-cap22
  - name: "9"
    containerEdits: {deviceNodes: [{path: /dev/nvidia9}]}
  - name: all
    containerEdits:
      deviceNodes:
        - path: /dev/nvidia0
        - path: /dev/nvidia1
        - path: /dev/nvidia-caps/nvidia-cap21
        - path: /dev/nvidia-caps/nvidia-cap22
"""


def driver(names, closed=()):
    """Return what gives a program a /dev with these nodes and a /proc/driver with two GPUs, the second split."""

    def make():
        ns.mount("tmpfs", "/proc/driver", "tmpfs", 0, "mode=755")
        files = {
            "nvidia/version": "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.15  Release Build\n",
            "nvidia/capabilities/mig/config": "DeviceFileMinor: 1\nDeviceFileMode: 256\n",
            "nvidia/capabilities/gpu0/mig/gi2/access": "DeviceFileMinor: 21\nDeviceFileMode: 292\n",
            "nvidia/capabilities/gpu0/mig/gi2/ci0/access": "DeviceFileMinor: 22\nDeviceFileMode: 292\n",
        }
        for bus, minor in (("0000:1a:00.0", 1), ("0000:c1:00.0", 0)):
            text = INFORMATION.format(model="NVIDIA H200", uuid=MASKED, bus=bus, minor=minor, excluded="No")
            files[f"nvidia/gpus/{bus}/information"] = text
        for name, text in files.items():
            path = Path("/proc/driver", name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        Path("/dev/first").symlink_to("nvidia1")
        Path("/dev/nvidia-caps").mkdir(exist_ok=True)
        for number, name in enumerate(CAPS):
            os.mknod(f"/dev/{name}", stat.S_IFCHR | 0o444, os.makedev(234, number))
        for name in closed:
            os.chmod(f"/dev/{name}", 0o600)
        os.umask(0o022)

    return callers.in_own_mounts(callers.devices(*names), make)


@pytest.fixture
def library():
    """The folder of the pretended library, where any user finds it."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="library-") as folder:
        os.chmod(folder, 0o755)
        yield fake_library.build(Path(folder))


@pytest.fixture
def specs(tmp_path):
    """A folder with a CDI spec."""
    folder = tmp_path / "cdi"
    folder.mkdir()
    (folder / "nvidia.yaml").write_text(SPEC)
    return folder


@pytest.fixture
def listed(openshell):
    """Run ``gpu list`` with nothing else around it that speaks of GPUs; return what it printed."""

    def run(*options, environ=None, **settings):
        kept = {key: value for key, value in os.environ.items() if key not in VARIABLES}
        done = openshell("gpu", "list", *options, env=kept | (environ or {}), **settings)
        assert (0, "") == (done.returncode, done.stderr)
        return done.stdout

    return run


def own(prepare):
    """Return the settings of a program with mounts of its own, or skip the test."""
    world.needs_root()
    world.needs_namespaces()
    return {"preexec_fn": prepare}


NODES = ("nvidiactl", "nvidia-uvm", "nvidia0", "nvidia1", "nvidia-nvswitchctl")


def test_two_gpus_one_of_them_split(listed, library, specs):
    """Everything at once, as data: places, nodes, instances, CDI names, what is missing and what manages the host."""
    environ = {"CUDA_VISIBLE_DEVICES": "0", **fake_library.environment(library, "two")}
    shape = json.loads(listed("-o", "json", "--cdi-spec-dir", specs, environ=environ, **own(driver(NODES))))
    first, second = shape["gpus"]
    keys = ("index", "name", "uuid", "bus", "minor", "visible", "cdi")
    assert [0, "NVIDIA H200", FIRST, "0000:1a:00.0", 1, True, ["nvidia.com/gpu=0", "nvidia.com/gpu=all"]] == [
        first[key] for key in keys
    ]
    assert [1, "NVIDIA H200", SECOND, "0000:c1:00.0", 0, False, []] == [second[key] for key in keys]
    split, other = second["migs"]
    assert ["MIG 3g.71gb", [], []] == [other[key] for key in ("name", "nodes", "cdi")]
    assert ["MIG 1g.18gb", 2, 0, False, ["nvidia.com/gpu=1:0", "nvidia.com/gpu=all"]] == [
        split[key] for key in ("name", "gpu_instance", "compute_instance", "visible", "cdi")
    ]
    assert ["/dev/nvidia-caps/nvidia-cap21", "/dev/nvidia-caps/nvidia-cap22"] == [one["path"] for one in split["nodes"]]
    assert {
        "/dev/nvidiactl": ("control", "ok"),
        "/dev/nvidia-uvm": ("control", "ok"),
        "/dev/nvidia-uvm-tools": ("control", "missing"),
        "/dev/nvidia-modeset": ("control", "missing"),
        "/dev/nvidia-caps/nvidia-cap1": ("admin", "ok"),
        "/dev/nvidia-nvswitchctl": ("admin", "ok"),
    } == {one["path"]: (one["role"], one["state"]) for one in shape["nodes"]}
    assert (["CUDA_VISIBLE_DEVICES"], "570.86.15", "nvml") == tuple(
        shape[key] for key in ("visible_by", "driver", "source")
    )
    assert {"folders": [str(specs)], "unreadable": [], "others": ["nvidia.com/gpu=9"], "errors": 0} == shape["cdi"]


def test_one_instance_is_visible(listed, library):
    """Of a GPU whose instance a variable names, the other instances are not."""
    environ = {"CUDA_VISIBLE_DEVICES": "MIG-bbbb", **fake_library.environment(library, "two")}
    shape = json.loads(listed("-o", "json", environ=environ, **own(driver(NODES))))
    assert [False, True] == [gpu["visible"] for gpu in shape["gpus"]]
    assert [False, True] == [mig["visible"] for mig in shape["gpus"][1]["migs"]]


def test_for_people(listed, library, specs):
    """A row for each GPU and instance; then the rest, in words."""
    environ = {"SLURM_STEP_GPUS": "1", **fake_library.environment(library, "two")}
    lines = listed("--cdi-spec-dir", specs, environ=environ, **own(driver(NODES))).splitlines()
    cells = [[cell for cell in line.split("  ") if cell] for line in lines]
    assert ["GPU", "MODEL", "UUID", "BUS", "VISIBLE", "NODE", "CDI"] == [cell.strip() for cell in cells[0]]
    assert [
        "0",
        "NVIDIA H200",
        FIRST,
        "0000:1a:00.0",
        "no (SLURM_STEP_GPUS)",
        "/dev/nvidia1",
        "nvidia.com/gpu=0, nvidia.com/gpu=all",
    ] == [cell.strip() for cell in cells[1]]
    assert ["1", "yes"] == [cells[2][0].strip(), cells[2][4].strip()]
    assert "1:0" == cells[3][0].strip()
    assert "/dev/nvidia-caps/nvidia-cap21 and 1 more" in lines[3]
    assert {"NVIDIA driver: 570.86.15", "told by: NVIDIA's library (NVML)"} <= set(lines)
    assert "CDI devices that hold no GPU of this host: nvidia.com/gpu=9" in lines


def test_a_user_who_may_not_open_a_gpu(listed, library):
    """Mode and owner of the node say why; nothing is opened to find out."""
    environ = fake_library.environment(library, "not-loaded")
    make = driver(NODES, closed=("nvidia0",))

    def as_user():
        make()
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)

    text = listed(environ=environ, **own(as_user))
    assert "/dev/nvidia0 (denied: crw------- root:root)" in text
    assert "note: NVML does not start: Driver Not Loaded" in text
    assert "told by: the driver (/proc/driver/nvidia)" in text


def test_a_job_that_may_open_one_gpu(listed):
    """A device cgroup denies what modes allow, as Slurm's device constraints do; it is found without opening."""
    group = DEVICES / f"openshell-list-{os.getpid()}"
    settings = own(driver(NODES))
    try:
        group.mkdir()
    except OSError:
        pytest.skip("needs: device cgroups of version 1")
    prepare = settings["preexec_fn"]

    def constrained():
        prepare()
        (group / "cgroup.procs").write_text(str(os.getpid()))
        number = os.stat("/dev/nvidia0").st_rdev
        (group / "devices.deny").write_text(f"c {os.major(number)}:{os.minor(number)} rwm")

    try:
        text = listed(preexec_fn=constrained)
    finally:
        group.rmdir()
    assert "/dev/nvidia0 (denied, not by its mode: by a device cgroup?)" in text
    assert "/dev/nvidia1 (" not in text


def test_a_library_that_crashes(listed, library):
    """What /proc and /dev say is shown all the same."""
    environ = fake_library.environment(library, "crash")
    shape = json.loads(listed("-o", "json", environ=environ, **own(driver(NODES))))
    assert ([0, 1], [None, None], "procfs") == (
        [gpu["index"] for gpu in shape["gpus"]],
        [gpu["uuid"] for gpu in shape["gpus"]],
        shape["source"],
    )
    assert any("NVML died of signal 11" in note for note in shape["notes"])


def test_control_nodes_alone(listed):
    """A driver without hardware: no GPU, and what there is."""
    text = listed(**own(callers.in_own_mounts(callers.devices("nvidiactl"))))
    assert text.startswith("no GPU on this host\n")
    assert "/dev/nvidiactl" in text


def test_an_empty_host(listed, tmp_path):
    """Plain words, and no error."""
    if nodes.present():
        pytest.skip("needs: a host without GPU device nodes")
    text = listed("--cdi-spec-dir", tmp_path)
    assert f"no GPU on this host\n\nno CDI device in {tmp_path}\n" == text
