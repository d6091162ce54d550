"""The inventory of GPU device nodes, against real device nodes in a folder of the test's own."""

import os
import stat
from pathlib import Path

import pytest

from pyopenshell.devices.nodes import gpus, present

NULL = os.makedev(1, 3)


class Host:
    """A root with its own ``dev``, ``proc`` and ``sys``."""

    def __init__(self, root: Path) -> None:
        self.dev, self.proc, self.sys = root / "dev", root / "proc", root / "sys"
        self.dev.mkdir()

    def nodes(self, *names: str) -> None:
        for name in names:
            path = self.dev / name
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.mknod(path, stat.S_IFCHR | 0o666, NULL)
            except PermissionError:
                pytest.skip("needs: CAP_MKNOD")

    def text(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="ascii")

    def found(self) -> list[tuple[str, str, str]]:
        devices = present(str(self.dev), str(self.proc), str(self.sys))
        return [(os.path.relpath(device.path, self.dev), device.role, device.vendor) for device in devices]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_nothing_is_found_on_a_host_without_gpus(host: Host) -> None:
    """Neither an empty folder nor other devices count."""
    host.nodes("null", "nvram", "nvme0", "dri/card0")
    assert [] == host.found()


def test_a_missing_root_is_an_empty_inventory(tmp_path: Path) -> None:
    """No folder, no devices, no error."""
    assert () == present(str(tmp_path / "none"), str(tmp_path / "none"), str(tmp_path / "none"))


def test_nvidia_control_nodes_and_numbered_gpus(host: Host) -> None:
    """Control nodes come first; GPUs are sorted by number, and only decimal numbers count."""
    host.nodes("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-modeset")
    host.nodes("nvidia10", "nvidia2", "nvidia0", "nvidia-nvswitchctl", "nvidia1x", "nvidia²")
    expected = [
        ("nvidiactl", "control", "nvidia"),
        ("nvidia-uvm", "control", "nvidia"),
        ("nvidia-uvm-tools", "control", "nvidia"),
        ("nvidia-modeset", "control", "nvidia"),
        ("nvidia0", "gpu", "nvidia"),
        ("nvidia2", "gpu", "nvidia"),
        ("nvidia10", "gpu", "nvidia"),
    ]
    assert expected == host.found()


def test_only_character_devices_count(host: Host) -> None:
    """Files, folders and links with a device's name are no devices."""
    host.nodes("real")
    (host.dev / "nvidiactl").write_text("")
    (host.dev / "nvidia0").symlink_to(host.dev / "real")
    (host.dev / "nvidia1").mkdir()
    assert [] == host.found()


def test_control_nodes_alone_are_no_gpu(host: Host) -> None:
    """A driver without hardware is not a GPU."""
    host.nodes("nvidiactl", "nvidia-uvm", "kfd", "nvmap")
    devices = present(str(host.dev), str(host.proc), str(host.sys))
    assert 4 == len(devices)
    assert () == gpus(devices)


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
    assert expected == host.found()


def test_wsl(host: Host) -> None:
    """WSL2 has one node for all GPUs."""
    host.nodes("dxg")
    assert [("dxg", "gpu", "wsl")] == host.found()


def test_tegra(host: Host) -> None:
    """Tegra: memory, engines, and the render node, which counts as Tegra's because nvmap is there."""
    host.nodes("nvmap", "nvhost-gpu", "nvhost-ctrl-gpu", "dri/renderD128")
    expected = [
        ("nvmap", "control", "tegra"),
        ("nvhost-ctrl-gpu", "gpu", "tegra"),
        ("nvhost-gpu", "gpu", "tegra"),
        ("dri/renderD128", "gpu", "tegra"),
    ]
    assert expected == host.found()


def test_amd_render_nodes_need_the_compute_driver(host: Host) -> None:
    """A render node alone may be anybody's; with kfd it is AMD's, unless sysfs names another vendor."""
    host.nodes("dri/renderD128", "dri/renderD129", "dri/renderD130")
    assert [] == host.found()
    host.nodes("kfd")
    host.text(host.sys / "class/drm/renderD128/device/vendor", "0x1002\n")
    host.text(host.sys / "class/drm/renderD129/device/vendor", "0x8086\n")
    expected = [("kfd", "control", "amd"), ("dri/renderD128", "gpu", "amd"), ("dri/renderD130", "gpu", "amd")]
    assert expected == host.found()


def test_every_device_says_what_it_is_for(host: Host) -> None:
    """Every row of the table has a sentence."""
    host.nodes("nvidiactl", "nvidia0", "dxg", "nvmap", "nvhost-gpu", "kfd", "dri/renderD128")
    devices = present(str(host.dev), str(host.proc), str(host.sys))
    assert 7 == len(devices)
    assert all(device.reason.endswith(".") for device in devices)
