"""What NVML told, read from its process's lines and joined with the inventory (the process: tests/confined/gpu)."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyopenshell.devices import inventory, nvml
from pyopenshell.devices.gpu import Gpu, Inventory, Mig
from pyopenshell.devices.nvml import Answer
from tests.unit.devices.hosts import Host

MASKED = "GPU-????????-????-????-????-????????????"


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def joined(host: Host, *gpus: Gpu, notes: tuple[str, ...] = ()) -> Inventory:
    known = inventory.read(*host.roots, nvml=False)
    return nvml.joined(known, Answer(gpus, "570.86.15", notes), str(host.proc), str(host.dev))


def test_lines() -> None:
    """The fields of a GPU and its instance, of which any can be missing."""
    text = "driver\t570.1\ngpu\t0\t1\tGPU-a\tH200\t00000000:1A:00.0\nmig\t2\t5\t1\tMIG-x\tMIG 1g\ngpu\t1\t\t\t\t\nend\n"
    split = Mig(2, "MIG-x", "MIG 1g", 5, 1)
    expected = (Gpu(0, "nvidia", (), 1, "GPU-a", "H200", "0000:1a:00.0", (split,)), Gpu(1, "nvidia", ()))
    assert Answer(expected, "570.1") == nvml.parsed(text)


@pytest.mark.parametrize(
    "text", ["gpu\t0\t0\tGPU-a\tH200\t", "gpu\tx\t\t\t\t\n", "mig\t0\t0\t0\t\t\n", "gpu\n", "\n\t\n"]
)
def test_lines_that_are_cut_off_or_odd(text: str) -> None:
    """They are passed over."""
    assert Answer() == nvml.parsed(text)


@given(st.text(st.sampled_from("gpumigdrvenot\t\n019GPU-:. ")))
def test_any_line(text: str) -> None:
    """Nothing that the process writes is too odd."""
    nvml.parsed(text)


def test_gpus_are_met_by_address(host: Host) -> None:
    """In a job that may open the host's GPU 1 alone, the library calls it 0: it stays 1, and its UUID is known."""
    host.nodes("nvidia0", "nvidia1")
    host.card("0000:1a:00.0", 0, MASKED, "NVIDIA H200")
    host.card("0000:c1:00.0", 1, MASKED, "NVIDIA H200")
    found = joined(host, Gpu(0, "nvidia", (), 1, "GPU-b", "NVIDIA H200", "0000:c1:00.0"))
    assert [(0, None), (1, "GPU-b")] == [(gpu.index, gpu.uuid) for gpu in found.gpus]
    assert ("nvml", "570.86.15") == (found.source, found.driver)


def test_an_address_is_enough(host: Host) -> None:
    """It comes before the number, which another GPU could have by mistake."""
    host.nodes("nvidia0", "nvidia1")
    host.card("0000:1a:00.0", 0, MASKED)
    host.card("0000:c1:00.0", 1, MASKED)
    found = joined(host, Gpu(0, "nvidia", (), 0, "GPU-b", None, "0000:c1:00.0"))
    assert [None, "GPU-b"] == [gpu.uuid for gpu in found.gpus]


def test_gpus_are_met_by_minor_where_proc_is_silent(host: Host) -> None:
    """The library's places are taken then, for CDI specs are numbered by it."""
    host.nodes("nvidia0", "nvidia1")
    told = [Gpu(0, "nvidia", (), 1, "GPU-a", None, "0000:1a:00.0"), Gpu(1, "nvidia", (), 0, "GPU-b")]
    found = joined(host, *told)
    node = str(host.dev / "nvidia")
    assert [(0, "GPU-a", (f"{node}1",)), (1, "GPU-b", (f"{node}0",))] == [
        (gpu.index, gpu.uuid, gpu.nodes) for gpu in found.gpus
    ]


def test_a_gpu_that_only_the_library_knows(host: Host) -> None:
    """Without a device it cannot be granted: a note."""
    host.nodes("nvidia0")
    host.card("0000:1a:00.0", 0, "GPU-a")
    found = joined(host, Gpu(1, "nvidia", (), 7, "GPU-h", None, "0000:ee:00.0"))
    assert ([0], ("NVML knows a GPU without a device here: GPU-h",)) == (
        [gpu.index for gpu in found.gpus],
        found.notes,
    )


def test_instances_get_names_and_keep_nodes(host: Host) -> None:
    """Those that the library tells come first, with its places; one that it cannot open stays, behind them."""
    host.nodes("nvidia0")
    host.card("0000:1a:00.0", 0, "GPU-a")
    host.instance(0, 1, 0, (12, 13))
    host.instance(0, 2, 0, (21, 22))
    told = Mig(0, "MIG-x", "MIG 1g.18gb", 2, 0)
    found = joined(host, Gpu(0, "nvidia", (), 0, "GPU-a", "NVIDIA H200", "0000:1a:00.0", (told,)))
    caps = f"{host.dev}/nvidia-caps/nvidia-cap"
    expected = (
        Mig(0, "MIG-x", "MIG 1g.18gb", 2, 0, (f"{caps}21", f"{caps}22")),
        Mig(1, None, None, 1, 0, (f"{caps}12", f"{caps}13")),
    )
    assert expected == found.gpus[0].migs


def test_instances_that_only_the_library_knows(host: Host) -> None:
    """The table of minors has their nodes."""
    host.nodes("nvidia0")
    host.card("0000:1a:00.0", 0, "GPU-a")
    host.text(host.proc / "driver/nvidia-caps/mig-minors", "gpu0/gi2/access 21\ngpu0/gi2/ci0/access 22\n")
    told = Mig(0, "MIG-x", "MIG 1g.18gb", 2, 0)
    found = joined(host, Gpu(0, "nvidia", (), 0, "GPU-a", None, "0000:1a:00.0", (told,)))
    assert ["nvidia-cap21", "nvidia-cap22"] == [os.path.basename(node) for node in found.gpus[0].migs[0].nodes]


def test_an_answer_without_gpus_changes_nothing_else(host: Host) -> None:
    """A library that does not start leaves what /proc told, and its note."""
    host.nodes("nvidia0")
    host.card("0000:1a:00.0", 0, "GPU-a")
    known = inventory.read(*host.roots, nvml=False)
    found = joined(host, notes=("NVML does not start: x",))
    assert known.replace(driver="570.86.15", notes=("NVML does not start: x",)) == found


def test_tegra_is_the_one_without_address(host: Host) -> None:
    """The library tells its name and UUID, and no number."""
    host.nodes("nvmap", "nvhost-ctrl-gpu")
    found = joined(host, Gpu(0, "nvidia", (), None, "GPU-o", "Orin (nvgpu)"))
    assert [("tegra", "GPU-o", "Orin (nvgpu)")] == [(gpu.vendor, gpu.uuid, gpu.name) for gpu in found.gpus]


def test_the_gpus_of_a_windows_host(host: Host) -> None:
    """One can be told by its device; of several only that they are there."""
    host.nodes("dxg")
    one = Gpu(0, "nvidia", (), None, "GPU-w", "NVIDIA RTX 4090", "0000:01:00.0")
    assert [("wsl", "GPU-w")] == [(gpu.vendor, gpu.uuid) for gpu in joined(host, one).gpus]
    found = joined(host, one, one.replace(index=1, uuid="GPU-v", name="NVIDIA T4"))
    assert [("wsl", None)] == [(gpu.vendor, gpu.uuid) for gpu in found.gpus]
    assert "the Windows host has 2 GPUs: NVIDIA RTX 4090, NVIDIA T4" in found.notes


def test_the_library_is_asked_only_where_it_can_tell(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never for AMD, for a host without a GPU, or where the caller does not want it."""

    def ask() -> Answer:
        raise AssertionError

    monkeypatch.setattr(nvml, "ask", ask)
    host.nodes("kfd", "dri/renderD128", "nvidiactl")
    assert 1 == len(inventory.read(*host.roots).gpus)
    host.nodes("nvidia0")
    assert 2 == len(inventory.read(*host.roots, nvml=False).gpus)
    with pytest.raises(AssertionError):
        inventory.read(*host.roots)
