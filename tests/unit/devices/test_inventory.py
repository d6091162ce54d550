"""The inventory: device nodes joined with what the drivers say of them."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyopenshell.devices import inventory
from pyopenshell.devices.gpu import Gpu, Inventory, Mig
from tests.unit.devices.hosts import Host


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def read(host: Host) -> Inventory:
    """Read without NVML, with the paths of nodes as they are beneath /dev."""
    found = inventory.read(*host.roots, nvml=False)
    return found.replace(gpus=tuple(gpu.replace(nodes=short(host, gpu.nodes)) for gpu in found.gpus))


def short(host: Host, nodes: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(os.path.relpath(node, host.dev) for node in nodes)


def test_a_host_without_gpus(host: Host) -> None:
    """Nothing is there, and nothing is to be noted."""
    assert Inventory() == read(host)


def test_the_index_is_the_place_on_the_bus_and_not_the_minor(host: Host) -> None:
    """A GPU's number is its place by PCI address, as in NVML and CDI specs; its node is named by its minor."""
    host.nodes("nvidiactl", "nvidia0", "nvidia1")
    host.card("0000:c1:00.0", 0, "GPU-b")
    host.card("0000:1a:00.0", 1, "GPU-a")
    expected = (
        Gpu(0, "nvidia", ("nvidia1",), 1, "GPU-a", "NVIDIA H200", "0000:1a:00.0"),
        Gpu(1, "nvidia", ("nvidia0",), 0, "GPU-b", "NVIDIA H200", "0000:c1:00.0"),
    )
    found = read(host)
    assert (expected, "procfs", ()) == (found.gpus, found.source, found.notes)


def test_nodes_alone(host: Host) -> None:
    """Where the driver says nothing, minor numbers stand for places; that it says nothing is told."""
    host.nodes("nvidia1", "nvidia10", "nvidia01")
    found = read(host)
    expected = (Gpu(1, "nvidia", ("nvidia1",), 1), Gpu(10, "nvidia", ("nvidia10",), 10))
    assert (expected, "nodes") == (found.gpus, found.source)
    assert [f"the driver says nothing of {host.dev}/nvidia1, {host.dev}/nvidia10"] == list(found.notes)


def test_a_container_with_one_of_three(host: Host) -> None:
    """A GPU without a node is none here, and the one that has one keeps the number it has on the host."""
    host.nodes("nvidia1")
    for minor in range(3):
        host.card(f"0000:0{minor}:00.0", minor)
    found = read(host)
    assert [(1, ("nvidia1",))] == [(gpu.index, gpu.nodes) for gpu in found.gpus]
    assert [f"the driver knows 2 GPUs without a device in {host.dev}: 0000:00:00.0, 0000:02:00.0"] == list(found.notes)


def test_a_node_without_a_gpu(host: Host) -> None:
    """A node that was left behind is not counted, and is told."""
    host.nodes("nvidia0", "nvidia1")
    host.card("0000:01:00.0", 0)
    found = read(host)
    assert [("nvidia0",)] == [gpu.nodes for gpu in found.gpus]
    assert [f"the driver knows no GPU behind {host.dev}/nvidia1: not counted"] == list(found.notes)


def test_an_excluded_gpu_is_none_and_takes_no_place(host: Host) -> None:
    """What its owner excluded, NVML does not number."""
    host.nodes("nvidia0", "nvidia1")
    host.card("0000:01:00.0", 0, excluded="Yes")
    host.card("0000:02:00.0", 1)
    found = read(host)
    assert [(0, ("nvidia1",))] == [(gpu.index, gpu.nodes) for gpu in found.gpus]
    assert () == found.notes


def test_a_gpu_whose_number_is_not_told(host: Host) -> None:
    """Its node cannot be told from a left-over one, so every node counts, behind what is known."""
    host.nodes("nvidia0", "nvidia1")
    host.card("0000:01:00.0", 0)
    host.card("0000:02:00.0", "?")
    found = read(host)
    assert [(0, ("nvidia0",)), (2, ("nvidia1",))] == [(gpu.index, gpu.nodes) for gpu in found.gpus]
    assert [f"the driver says nothing of {host.dev}/nvidia1"] == list(found.notes)


def test_mig_instances_and_whole_host_capabilities(host: Host) -> None:
    """An instance has its two nodes; MIG's configuration is listed, as nobody's."""
    host.nodes("nvidia0", "nvidia-caps/nvidia-cap1", "nvidia-caps/nvidia-cap21", "nvidia-caps/nvidia-cap22")
    host.card("0000:01:00.0", 0)
    host.instance(0, 3, 0, (21, 22))
    host.text(host.proc / "driver/nvidia/capabilities/mig/config", "DeviceFileMinor: 1\n")
    found = read(host)
    caps = str(host.dev / "nvidia-caps/nvidia-cap")
    assert (Mig(0, gpu_instance=3, compute_instance=0, nodes=(f"{caps}21", f"{caps}22")),) == found.gpus[0].migs
    assert {"nvidia-cap1": "admin", "nvidia-cap21": "caps", "nvidia-cap22": "caps", "nvidia0": "gpu"} == {
        os.path.basename(device.path): device.role for device in found.devices
    }


def test_wsl(host: Host) -> None:
    """One node is all GPUs of the Windows host: one GPU, and a note."""
    host.nodes("dxg")
    found = read(host)
    assert (Gpu(0, "wsl", ("dxg",)),) == found.gpus
    assert ["the GPUs of a Windows host share one device: they cannot be granted one by one"] == list(found.notes)


def test_tegra(host: Host) -> None:
    """An integrated GPU has all its nodes, its control node in front; that of NVIDIA's display driver is its own."""
    host.nodes("nvmap", "nvhost-as-gpu", "nvhost-ctrl-gpu", "dri/renderD128", "host1x-fence", "nvidia0", "nvidiactl")
    host.text(host.proc / "device-tree/model", b"NVIDIA Jetson AGX Orin Developer Kit\0")
    found = read(host)
    nodes = ("nvhost-ctrl-gpu", "nvhost-as-gpu", "host1x-fence", "dri/renderD128", "nvidia0")
    assert (Gpu(0, "tegra", nodes, name="NVIDIA Jetson AGX Orin Developer Kit"),) == found.gpus
    assert () == found.notes


def test_tegra_beside_another_gpu(host: Host) -> None:
    """A card in the slot of a Tegra is counted behind the integrated GPU, as NVML does."""
    host.nodes("nvmap", "nvgpu/igpu0/ctrl", "nvidia0")
    host.card("0005:01:00.0", 0)
    assert [(0, "tegra"), (1, "nvidia")] == [(gpu.index, gpu.vendor) for gpu in read(host).gpus]


def test_tegra_whose_gpu_the_other_driver_drives(host: Host) -> None:
    """Newer ones have no node of the older driver: their GPU is one like any other."""
    host.nodes("nvmap", "nvhost-ctrl", "dri/renderD128", "nvidia0")
    host.card("0000:01:00.0", 0)
    assert [("nvidia", ("nvidia0",))] == [(gpu.vendor, gpu.nodes) for gpu in read(host).gpus]


def test_amd(host: Host) -> None:
    """Each render node of AMD is a GPU, by PCI address, with what sysfs says of it."""
    host.nodes("kfd", "dri/renderD128", "dri/renderD129", "dri/renderD130")
    for render, bus, vendor in (
        ("renderD128", "0000:c3:00.0", "0x1002"),
        ("renderD129", "0000:00:02.0", "0x8086"),
        ("renderD130", "0000:83:00.0", "0x1002"),
    ):
        device = host.sys / "devices" / bus
        host.text(device / "vendor", f"{vendor}\n")
        link = host.sys / "class/drm" / render / "device"
        link.parent.mkdir(parents=True)
        link.symlink_to(device)
    host.text(host.sys / "devices/0000:83:00.0/unique_id", "a1b2c3\n")
    host.text(host.sys / "devices/0000:83:00.0/product_name", "AMD Instinct MI300X\n")
    expected = (
        Gpu(0, "amd", ("dri/renderD130",), 130, "GPU-a1b2c3", "AMD Instinct MI300X", "0000:83:00.0"),
        Gpu(1, "amd", ("dri/renderD128",), 128, bus="0000:c3:00.0"),
    )
    assert expected == read(host).gpus


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cards=st.dictionaries(
        st.from_regex(r"[0-9a-f]{4}:[0-9a-f]{2}:00\.0", fullmatch=True),
        st.one_of(st.integers(0, 5), st.text(st.characters(exclude_categories=["Cs"]), max_size=5)),
        max_size=5,
    ),
    nodes=st.sets(st.integers(0, 5), max_size=4),
)
def test_each_node_is_one_gpus_at_most(
    tmp_path_factory: pytest.TempPathFactory, cards: dict[str, object], nodes: set[int]
) -> None:
    """Whatever the driver says, a node is never two GPUs' own, no place is taken twice, none is made up."""
    host = Host(tmp_path_factory.mktemp("host"))
    host.nodes(*(f"nvidia{number}" for number in nodes))
    for bus, minor in cards.items():
        host.card(bus, minor)
    found = inventory.read(*host.roots, nvml=False)
    own = [node for gpu in found.gpus for node in gpu.nodes]
    assert len(set(own)) == len(own)
    assert {str(host.dev / f"nvidia{number}") for number in nodes} >= set(own)
    assert len({gpu.index for gpu in found.gpus}) == len(found.gpus)
