"""The inventory of GPU device nodes, against real device nodes in a folder of the test's own."""

import os
from pathlib import Path

import pytest

from pyopenshell.devices.nodes import gpus, missing, present
from tests.unit.devices.hosts import Host


def found(host: Host) -> list[tuple[str, str, str]]:
    return [(os.path.relpath(device.path, host.dev), device.role, device.vendor) for device in present(*host.roots)]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_nothing_is_found_on_a_host_without_gpus(host: Host) -> None:
    """Neither an empty folder nor other devices count."""
    host.nodes("null", "nvram", "nvme0", "dri/card0")
    assert [] == found(host)


def test_a_missing_root_is_an_empty_inventory(tmp_path: Path) -> None:
    """No folder, no devices, no error."""
    assert () == present(str(tmp_path / "none"), str(tmp_path / "none"), str(tmp_path / "none"))


def test_nvidia_control_nodes_and_numbered_gpus(host: Host) -> None:
    """Control nodes come first; GPUs are sorted by number, and only decimal numbers count."""
    host.nodes("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-modeset")
    host.nodes("nvidia10", "nvidia2", "nvidia0", "nvidia1x", "nvidia²")
    expected = [
        ("nvidiactl", "control", "nvidia"),
        ("nvidia-uvm", "control", "nvidia"),
        ("nvidia-uvm-tools", "control", "nvidia"),
        ("nvidia-modeset", "control", "nvidia"),
        ("nvidia0", "gpu", "nvidia"),
        ("nvidia2", "gpu", "nvidia"),
        ("nvidia10", "gpu", "nvidia"),
    ]
    assert expected == found(host)


def test_only_character_devices_count(host: Host) -> None:
    """Files, folders and links with a device's name are no devices."""
    host.nodes("real")
    (host.dev / "nvidiactl").write_text("")
    (host.dev / "nvidia0").symlink_to(host.dev / "real")
    (host.dev / "nvidia1").mkdir()
    assert [] == found(host)


def test_control_nodes_alone_are_no_gpu(host: Host) -> None:
    """A driver without hardware is not a GPU."""
    host.nodes("nvidiactl", "nvidia-uvm", "kfd", "nvmap")
    devices = present(*host.roots)
    assert 4 == len(devices)
    assert () == gpus(devices)


def test_control_nodes_that_are_missing(host: Host) -> None:
    """They are named beside a GPU of their vendor, and only there."""
    host.nodes("nvidiactl", "nvidia-uvm", "kfd")
    assert () == missing(present(*host.roots), str(host.dev))
    host.nodes("nvidia0")
    names = ["nvidia-uvm-tools", "nvidia-modeset"]
    assert [str(host.dev / name) for name in names] == [
        device.path for device in missing(present(*host.roots), str(host.dev))
    ]


def test_capabilities_that_manage_the_host_are_told_apart(host: Host) -> None:
    """MIG's configuration and monitor capabilities are of role admin; an instance's own is caps."""
    host.nodes("nvidia-caps/nvidia-cap1", "nvidia-caps/nvidia-cap2", "nvidia-caps/nvidia-cap21")
    capabilities = host.proc / "driver/nvidia/capabilities"
    host.text(capabilities / "mig/config", "DeviceFileMinor: 1\nDeviceFileMode: 256\n")
    host.text(capabilities / "mig/monitor", "DeviceFileMinor: 2\nDeviceFileMode: 292\n")
    host.text(capabilities / "gpu0/mig/gi1/access", "DeviceFileMinor: 21\nDeviceFileMode: 292\n")
    expected = [
        ("nvidia-caps/nvidia-cap1", "admin", "nvidia"),
        ("nvidia-caps/nvidia-cap2", "admin", "nvidia"),
        ("nvidia-caps/nvidia-cap21", "caps", "nvidia"),
    ]
    assert expected == found(host)


def test_capabilities_of_the_links_between_gpus_manage_the_host(host: Host) -> None:
    """The fabric manager's capability lies outside the folder of MIG's, and is no instance's either."""
    host.nodes("nvidia-caps/nvidia-cap7")
    host.text(host.proc / "driver/nvidia-nvlink/capabilities/fabric-mgmt", "DeviceFileMinor: 7\n")
    assert [("nvidia-caps/nvidia-cap7", "admin", "nvidia")] == found(host)


def test_switches_links_and_channels_manage_the_host(host: Host) -> None:
    """What lies between the GPUs of a host, and between hosts, is of role admin: never granted with a GPU."""
    host.nodes("nvidia-nvswitchctl", "nvidia-nvswitch0", "nvidia-nvlink", "nvidia-caps-imex-channels/channel0")
    expected = ["nvidia-caps-imex-channels/channel0", "nvidia-nvswitchctl", "nvidia-nvswitch0", "nvidia-nvlink"]
    assert [(name, "admin", "nvidia") for name in expected] == found(host)


def test_wsl(host: Host) -> None:
    """WSL2 has one node for all GPUs."""
    host.nodes("dxg")
    assert [("dxg", "gpu", "wsl")] == found(host)


def test_tegra(host: Host) -> None:
    """Tegra: memory, engines, and the render node, which counts as Tegra's because nvmap is there."""
    host.nodes("nvmap", "nvhost-gpu", "nvhost-ctrl-gpu", "dri/renderD128")
    expected = [
        ("nvmap", "control", "tegra"),
        ("nvhost-ctrl-gpu", "gpu", "tegra"),
        ("nvhost-gpu", "gpu", "tegra"),
        ("dri/renderD128", "gpu", "tegra"),
    ]
    assert expected == found(host)


def test_tegra_as_newer_drivers_name_it(host: Host) -> None:
    """The parts of the GPU lie in a folder of their own; the fence of its engines counts beside nvmap alone."""
    host.nodes("host1x-fence")
    assert [] == found(host)
    host.nodes("nvmap", "nvgpu/igpu0/ctrl", "nvgpu/igpu0/as")
    expected = [
        ("nvmap", "control", "tegra"),
        ("nvgpu/igpu0/as", "gpu", "tegra"),
        ("nvgpu/igpu0/ctrl", "gpu", "tegra"),
        ("host1x-fence", "gpu", "tegra"),
    ]
    assert expected == found(host)


def test_amd_render_nodes_need_the_compute_driver(host: Host) -> None:
    """A render node alone may be anybody's; with kfd it is AMD's, unless sysfs names another vendor."""
    host.nodes("dri/renderD128", "dri/renderD129", "dri/renderD130")
    assert [] == found(host)
    host.nodes("kfd")
    host.text(host.sys / "class/drm/renderD128/device/vendor", "0x1002\n")
    host.text(host.sys / "class/drm/renderD129/device/vendor", "0x8086\n")
    expected = [("kfd", "control", "amd"), ("dri/renderD128", "gpu", "amd"), ("dri/renderD130", "gpu", "amd")]
    assert expected == found(host)


def test_every_device_says_what_it_is_for(host: Host) -> None:
    """Every row of the table has a sentence."""
    host.nodes("nvidiactl", "nvidia0", "dxg", "nvmap", "nvhost-gpu", "kfd", "dri/renderD128")
    devices = present(*host.roots)
    assert 7 == len(devices)
    assert all(device.reason.endswith(".") for device in devices)
