"""Choosing devices: by count, by name, by both; what covers a GPU; what CUDA is told."""

import pytest

from pyopenshell.devices import select
from pyopenshell.devices.cdi import registry
from pyopenshell.devices.gpu import Gpu, Inventory, Mig
from pyopenshell.devices.select import ALL
from pyopenshell.errors import GpuError
from tests.confined.gpu import hosts

PRESENT = ("/dev/null", "/dev/zero", "/dev/full")
"""Three devices of every host, in the place of GPUs' nodes."""


def gpu(index, **fields):
    return Gpu(index, "nvidia", (PRESENT[index],), **fields)


HOST = Inventory(tuple(gpu(index, uuid=f"GPU-{index}") for index in range(3)))


def specs(folder, devices):
    """Return the registry of one spec; each device has the nodes of these GPUs."""
    edits = {
        name: {"deviceNodes": [hosts.node(f"/dev/nvidia{index}", PRESENT[index]) for index in held]}
        for name, held in devices.items()
    }
    return registry.read((str(hosts.spec(folder, edits)),))


USUAL = {"0": (0,), "1": (1,), "2": (2,), "GPU-1": (1,), "all": (0, 1, 2), "pair": (1, 2)}


@pytest.fixture
def usual(tmp_path):
    """The registry of a host with three GPUs, each by number, one by UUID too, and some together."""
    return specs(tmp_path, USUAL)


def chosen(selection):
    return [choice.name.rpartition("=")[2] for choice in selection.choices]


@pytest.mark.parametrize(
    ("count", "names", "expected"),
    [
        (None, ("1",), ["1"]),
        (None, ("1", "1"), ["1"]),
        (None, ("pair",), ["pair"]),
        (1, (), ["0"]),
        (2, (), ["0", "1"]),
        (ALL, (), ["0", "1", "2"]),
        (0, (), []),
        (2, ("1",), ["1", "0"]),
        (2, ("pair",), ["pair"]),
        (3, ("pair",), ["pair", "0"]),
        (ALL, ("pair",), ["pair", "0"]),
        (ALL, ("all",), ["all"]),
    ],
)
def test_choosing(usual, count, names, expected):
    """A count is in all, the named ones first; a GPU comes by its shortest name, its number."""
    names = tuple(map(hosts.named, names))
    assert expected == chosen(select.select(count, names, HOST, usual, {}))


@pytest.mark.parametrize(
    ("count", "names", "environ", "code"),
    [
        (4, (), {}, "gpu.too-few"),
        (3, (), {"CUDA_VISIBLE_DEVICES": "0,1"}, "gpu.too-few"),
        (ALL, (), {"CUDA_VISIBLE_DEVICES": "-1"}, "gpu.too-few"),
        (1, ("pair",), {}, "gpu.count"),
        (0, ("1",), {}, "gpu.count"),
        (None, ("9",), {}, "cdi.unknown-device"),
    ],
)
def test_what_cannot_be_had(usual, count, names, environ, code):
    """An error with a code, and a list of what there is."""
    with pytest.raises(GpuError) as caught:
        select.select(count, tuple(map(hosts.named, names)), HOST, usual, environ)
    assert code == caught.value.code
    assert caught.value.hint


def test_without_any_gpu(usual):
    """The error says so, and what the specs name besides."""
    with pytest.raises(GpuError) as caught:
        select.select(1, (), Inventory(), usual, {})
    assert ("gpu.missing", True) == (caught.value.code, "--device nvidia.com/gpu=0" in (caught.value.hint or ""))


def test_a_gpu_that_no_spec_covers_alone(tmp_path):
    """A device that holds others too is never taken for one GPU: the table of nodes is."""
    only = specs(tmp_path, {"0": (0,), "both": (1, 2)})
    selection = select.select(ALL, (), HOST, only, {})
    assert [True, False, False] == [choice.found is not None for choice in selection.choices]
    assert "GPU 1 (nvidia)" == selection.choices[1].name


def test_a_node_that_is_another_device(tmp_path):
    """A spec whose numbers are not the host's covers nothing: the GPUs were numbered anew since."""
    wrong = {"0": {"deviceNodes": [hosts.node("/dev/nvidia0", PRESENT[0], major=195, minor=0)]}}
    found = registry.read((str(hosts.spec(tmp_path, wrong)),))
    (choice,) = select.select(1, (), HOST, found, {}).choices
    assert choice.found is None


@pytest.mark.parametrize(
    ("gpus", "count", "expected"),
    [
        (HOST.gpus, 2, "GPU-0,GPU-1"),
        ((gpu(0, uuid="GPU-0"), gpu(1)), 2, "0,1"),
        (HOST.gpus, 0, "-1"),
        ((Gpu(0, "amd", PRESENT[:1]),), 1, None),
        ((Gpu(0, "wsl", PRESENT[:1]),), 1, None),
        ((Gpu(0, "tegra", PRESENT[:1]),), 1, "0"),
    ],
)
def test_what_cuda_is_told(gpus, count, expected):
    """UUIDs where all are known, else numbers from 0; nothing for other vendors' runtimes."""
    selection = select.select(count, (), Inventory(gpus), registry.read(()), {})
    assert expected == selection.visible


def test_instances_count(tmp_path):
    """Where a GPU is split by MIG, a count counts its instances, and each is given with its own capability nodes."""
    migs = (Mig(0, "MIG-a", nodes=(PRESENT[1],)), Mig(1, "MIG-b", nodes=(PRESENT[2],)))
    split = Inventory((gpu(0, migs=migs),))
    found = specs(tmp_path, {"0:0": (0, 1), "0:1": (0, 2), "all": (0, 1, 2)})
    assert ["0:0"] == chosen(select.select(1, (), split, found, {}))
    selection = select.select(2, (), split, found, {})
    assert (["0:0", "0:1"], "MIG-a,MIG-b") == (chosen(selection), selection.visible)
    with pytest.raises(GpuError):
        select.select(3, (), split, found, {})


def test_other_devices_make_no_gpu_sandbox(tmp_path):
    """A device of another class is given, and asks for nothing of CUDA's."""
    edits = {"x": {"deviceNodes": [hosts.node("/dev/null")]}}
    found = registry.read((str(hosts.spec(tmp_path, edits, kind="vendor.com/nic")),))
    selection = select.select(None, ("vendor.com/nic=x",), Inventory(), found, {})
    assert (False, False, None) == (selection.is_gpu, selection.is_cuda, selection.visible)


def test_a_spec_that_gives_others_to_every_device(tmp_path):
    """GPU nodes among the edits that all devices share: no device holds one GPU alone, and none is taken for it."""
    edits = {"0": {"deviceNodes": [hosts.node("/dev/nvidia0", PRESENT[0])]}}
    common = {"deviceNodes": [hosts.node(f"/dev/nvidia{index}", PRESENT[index]) for index in (0, 1)]}
    found = registry.read((str(hosts.spec(tmp_path, edits, common)),))
    (choice,) = select.select(1, (), HOST, found, {}).choices
    assert choice.found is None
    assert 2 == len(select.select(None, (hosts.named("0"),), HOST, found, {}).units)


@pytest.mark.parametrize(
    ("paths", "unconfined", "visible", "others"),
    [
        ((), False, "0", []),
        ((PRESENT[0],), False, "1", [0]),
        (("/dev",), False, "1", [0, 2]),
        ((PRESENT[2], "/elsewhere"), False, "0", [2]),
        ((), True, "1", [0, 2]),
    ],
)
def test_others_that_can_be_opened(paths, unconfined, visible, others):
    """Numbers count all GPUs that CUDA can open, so the second is the second where the policy opens the first."""
    unnamed = Inventory(tuple(gpu(index) for index in range(3)))
    selection = select.select(1, (), unnamed, registry.read(()), {"CUDA_VISIBLE_DEVICES": "1"})
    selection = select.opened_besides(selection, paths, unconfined=unconfined)
    assert (visible, others) == (selection.visible, [unit.gpu.index for unit in selection.others])


@pytest.mark.parametrize(
    ("kind", "cuda", "hides"),
    [("nvidia.com/gpu", True, "CUDA_VISIBLE_DEVICES"), ("amd.com/gpu", False, None), ("nvidia.com/nic", False, None)],
)
def test_devices_that_the_inventory_does_not_know(tmp_path, kind, cuda, hides):
    """One of NVIDIA's is for CUDA, whatever GPUs the caller's variable counts; others' are not."""
    found = registry.read((str(hosts.spec(tmp_path, {"x": {"env": ["A=b"]}}, kind=kind)),))
    selection = select.select(None, (f"{kind}=x",), Inventory(), found, {})
    assert (cuda, hides, None) == (selection.is_cuda, selection.hides, selection.visible)
