"""The baseline tables: what they propose, and that nothing depends on what was not asked for."""

import pytest

from pyopenshell.baseline import gpu, process, proxy
from pyopenshell.baseline.model import Private
from pyopenshell.baseline.propose import propose
from pyopenshell.devices.host import Device
from pyopenshell.policy.access import DEVICE, READ_ONLY, READ_WRITE
from tests.unit.devices.choices import by_table

PRIVATE = Private(tmp="/tmp", shm="/dev/shm", home="/run/openshell/home", cuda_cache="/run/openshell/cuda")
NVIDIA = (
    Device("/dev/nvidiactl", "control", "nvidia", "Control."),
    Device("/dev/nvidia0", "gpu", "nvidia", "A GPU."),
    Device("/dev/nvidia1", "gpu", "nvidia", "A GPU."),
    Device("/dev/nvidia-caps/nvidia-cap1", "admin", "nvidia", "Manages."),
    Device("/dev/nvidia-caps/nvidia-cap21", "caps", "nvidia", "An instance."),
)


def selection(count, devices=NVIDIA):
    """Return the selection of all GPUs among these nodes, or of none."""
    return by_table(count, devices).selection


def access(proposals):
    """Return path -> rights, after checking that no path is proposed twice."""
    result = {proposal.path: proposal.access for proposal in proposals}
    assert len(proposals) == len(result)
    return result


def test_process_is_the_designs_list():
    """Every path of the design's sentence, with its rights; terminals with their ioctls."""
    expected = dict.fromkeys(("/usr", "/lib", "/lib64", "/bin", "/sbin", "/etc", "/proc"), READ_ONLY)
    expected |= {"/dev/urandom": ("read_file",)}
    expected |= dict.fromkeys(("/dev/null", "/dev/zero", "/dev/full", "/dev/random"), ("read_file", "write_file"))
    expected |= {"/dev/tty": DEVICE, "/dev/ptmx": DEVICE, "/dev/pts": ("read_dir", *DEVICE)}
    expected |= dict.fromkeys(("/tmp", "/dev/shm", "/run/openshell/home"), READ_WRITE)
    assert expected == access(process.proposals(PRIVATE))


def test_the_hosts_own_temporary_folders_are_never_granted():
    """Without a mount namespace a fresh folder stands for /tmp, and nothing for /dev/shm."""
    paths = access(process.proposals(Private(tmp="/tmp/openshell-x/tmp"))).keys()
    assert "/tmp/openshell-x/tmp" in paths
    assert {"/tmp", "/dev/shm"}.isdisjoint(paths)


def test_only_what_the_runtime_makes_is_private():
    """Private are the folders the launcher makes, and no path of the host."""
    private = {proposal.path for proposal in process.proposals(PRIVATE) if proposal.private}
    assert {"/tmp", "/dev/shm", "/run/openshell/home"} == private


def test_proxy_is_openshells_list_with_the_private_tmp():
    """OpenShell's proxy baseline, /tmp being the private one."""
    proposals = proxy.proposals(Private(tmp="/tmp/private"), "none")
    expected = dict.fromkeys(("/usr", "/lib", "/etc", "/app", "/var/log", "/proc"), READ_ONLY)
    expected |= {"/dev/urandom": ("read_file",), "/sandbox": READ_WRITE, "/tmp/private": READ_WRITE}
    assert expected == access(proposals)
    assert ["/tmp/private"] == [proposal.path for proposal in proposals if proposal.private]


@pytest.mark.parametrize(("mode", "applies"), [("none", True), ("proxy", True), ("host", False)])
def test_proxy_applies_unless_the_network_is_the_hosts(mode, applies):
    """Only a sandbox on the host's network has no proxy baseline."""
    assert applies is bool(proxy.proposals(PRIVATE, mode))


def test_gpu_devices_are_granted_one_by_one():
    """Each node by itself, with read, write and ioctl; administrative capabilities never."""
    granted = {
        path: rights for path, rights in access(gpu.proposals(selection(-1), PRIVATE)).items() if "/dev/" in path
    }
    expected = ("nvidiactl", "nvidia0", "nvidia1", "nvidia-caps/nvidia-cap21")
    missing = ("nvidia-uvm", "nvidia-uvm-tools", "nvidia-modeset")
    assert dict.fromkeys((f"/dev/{name}" for name in (*expected, *missing)), DEVICE) == granted


def test_gpu_runtime_without_devices():
    """Zero GPUs: the runtime's files and the cache, and no device node at all."""
    expected = {
        "/run/nvidia-persistenced": (*READ_ONLY, "resolve_unix"),
        "/proc/driver/nvidia": READ_ONLY,
        "/proc/driver/nvidia-uvm": READ_ONLY,
        "/proc/driver/nvidia-caps": READ_ONLY,
        "/proc/driver/nvidia-caps-imex-channels": READ_ONLY,
        "/run/openshell/cuda": READ_WRITE,
    }
    assert expected == access(gpu.proposals(selection(0), PRIVATE))
    assert expected == access(gpu.proposals(selection(0, ()), PRIVATE))


@pytest.mark.parametrize(
    ("device", "extra"),
    [
        (Device("/dev/dxg", "gpu", "wsl", "WSL."), {"/dev/dxg", "/usr/lib/wsl"}),
        (Device("/dev/nvhost-gpu", "gpu", "tegra", "Tegra."), {"/dev/nvhost-gpu", "/dev/nvmap"}),
        (
            Device("/dev/dri/renderD128", "gpu", "amd", "AMD."),
            {"/dev/dri/renderD128", "/dev/kfd", "/sys/devices/virtual/kfd"},
        ),
    ],
)
def test_other_vendors(device, extra):
    """WSL2, Tegra and AMD bring their own nodes and files, and only theirs."""
    usual = set(access(gpu.proposals(selection(0, ()), PRIVATE)))
    assert extra == set(access(gpu.proposals(selection(-1, (device,)), PRIVATE))) - usual


def test_a_gpu_is_a_matter_of_the_request():
    """Without a request nothing is added; a request adds to what there was."""
    without = propose(PRIVATE, network="none")
    assert without == propose(PRIVATE, network="none", chosen=by_table(0, NVIDIA))[: len(without)]
    added = propose(PRIVATE, network="none", chosen=by_table(-1, NVIDIA))[len(without) :]
    assert {"gpu"} == {one.name for one in added}


def test_every_proposal_has_a_reason():
    """A sentence for each."""
    proposals = propose(PRIVATE, network="none", chosen=by_table(-1, NVIDIA))
    assert [] == [one.path for one in proposals if not one.reason[:1].isupper() or not one.reason.endswith(".")]
