"""The GPU device nodes of this host, found by a table of their names.

What a program needs each of them for is in docs/design.md, section 4, and was collected from the failures of programs
that lacked one (CUDA error 304, NVML "insufficient permissions").
"""

from __future__ import annotations

import os
import stat

from pyopenshell.devices.host import Device
from pyopenshell.record import Record

NUMBER = "{n}"
"""In a pattern: a decimal number, to the end of the name."""
ANY = "*"
"""In a pattern: whatever follows."""


class Row(Record):
    """One pattern of device nodes beneath ``/dev``.

    ``needs`` names a node that must be there too, for names that several vendors share; ``pci_vendor`` is the PCI
    vendor id (as sysfs writes it) that such a node must not contradict.
    """

    pattern: str
    role: str
    vendor: str
    reason: str
    needs: str | None = None
    pci_vendor: str | None = None


ROWS: tuple[Row, ...] = (
    Row("nvidiactl", "control", "nvidia", "The NVIDIA driver's control device: every CUDA and NVML call begins here."),
    Row("nvidia-uvm", "control", "nvidia", "Unified memory: CUDA allocates GPU memory through it."),
    Row("nvidia-uvm-tools", "control", "nvidia", "Opened by cuInit; recent drivers treat a denial as fatal."),
    Row("nvidia-modeset", "control", "nvidia", "Opened by the driver's libraries beside the control device."),
    Row("nvidia{n}", "gpu", "nvidia", "One NVIDIA GPU."),
    Row(
        "nvidia-caps/nvidia-cap{n}",
        "caps",
        "nvidia",
        "A capability of a MIG instance: without it the instance is invisible.",
    ),
    Row("nvidia-caps-imex-channels/channel{n}", "admin", "nvidia", "Shares GPU memory with other hosts of a fabric."),
    Row("nvidia-nvswitchctl", "admin", "nvidia", "Manages the switches between the host's GPUs."),
    Row("nvidia-nvswitch{n}", "admin", "nvidia", "A switch between the host's GPUs, for the fabric manager."),
    Row("nvidia-nvlink", "admin", "nvidia", "Manages the links between the host's GPUs."),
    Row("dxg", "gpu", "wsl", "The GPUs of the Windows host under WSL2."),
    Row("nvmap", "control", "tegra", "Memory of a Tegra's integrated GPU."),
    Row("nvhost-*", "gpu", "tegra", "An engine of a Tegra's integrated GPU."),
    Row("nvgpu/igpu0/*", "gpu", "tegra", "A part of a Tegra's integrated GPU, as newer drivers name it."),
    Row("host1x-fence", "gpu", "tegra", "Waits for a Tegra's engines: cuInit opens it.", needs="nvmap"),
    Row("dri/renderD{n}", "gpu", "tegra", "The render node of a Tegra's integrated GPU.", needs="nvmap"),
    Row("kfd", "control", "amd", "AMD's compute driver: every ROCm call begins here."),
    Row("dri/renderD{n}", "gpu", "amd", "The render node of one AMD GPU.", needs="kfd", pci_vendor="0x1002"),
)

ADMINISTRATIVE = (
    "nvidia/capabilities/mig/config",
    "nvidia/capabilities/mig/monitor",
    "nvidia/capabilities/fabric-imex-mgmt",
    "nvidia-nvlink/capabilities/fabric-mgmt",
    "nvidia-nvswitch/capabilities/fabric-mgmt",
)
"""Capabilities beneath ``/proc/driver`` that manage or watch all GPUs of the host, not one instance."""


def present(dev_root: str = "/dev", proc_root: str = "/proc", sys_root: str = "/sys") -> tuple[Device, ...]:
    """Return the GPU device nodes that exist, in the table's order, numbered ones by their number.

    Only character devices count: a file or a link with such a name is no device. Folders that cannot be read count
    as empty. ``path`` lies beneath ``dev_root``.
    """
    found: dict[str, Device] = {}
    for row in ROWS:
        if row.needs is not None and not _is_device(f"{dev_root}/{row.needs}"):
            continue
        for name in _matches(row.pattern, dev_root):
            path = f"{dev_root}/{name}"
            if path not in found and _is_device(path) and _same_vendor(row, name, sys_root):
                found[path] = Device(path, row.role, row.vendor, row.reason)
    for minor in _administrative_minors(proc_root):
        path = f"{dev_root}/nvidia-caps/nvidia-cap{minor}"
        if path in found:
            found[path] = Device(path, "admin", "nvidia", "Manages or watches all GPUs of the host.")
    return tuple(found.values())


def gpus(devices: tuple[Device, ...]) -> tuple[Device, ...]:
    """Return the nodes that are GPUs. Control nodes alone (a driver without hardware) are none."""
    return tuple(device for device in devices if device.role == "gpu")


def missing(devices: tuple[Device, ...], dev_root: str = "/dev") -> tuple[Device, ...]:
    """Return the control nodes that are not there, of those vendors whose GPUs are: CUDA will not find them."""
    vendors = {device.vendor for device in gpus(devices)}
    paths = {device.path for device in devices}
    return tuple(
        Device(path, row.role, row.vendor, row.reason)
        for row in ROWS
        if row.role == "control" and row.vendor in vendors
        if not row.pattern.endswith((NUMBER, ANY)) and (path := f"{dev_root}/{row.pattern}") not in paths
    )


def _matches(pattern: str, dev_root: str) -> list[str]:
    """Return the existing names a pattern stands for. Its wildcard, if any, is at its end."""
    if not pattern.endswith((NUMBER, ANY)):
        return [pattern]
    numbered = pattern.endswith(NUMBER)
    stem = pattern.removesuffix(NUMBER).removesuffix(ANY)
    folder, _, prefix = stem.rpartition("/")
    try:
        entries = os.listdir(f"{dev_root}/{folder}")
    except OSError:
        return []
    rests = [entry[len(prefix) :] for entry in entries if entry.startswith(prefix)]
    if numbered:
        rests = sorted((rest for rest in rests if rest.isascii() and rest.isdigit()), key=int)
    else:
        rests.sort()
    return [stem + rest for rest in rests]


def _is_device(path: str) -> bool:
    try:
        return stat.S_ISCHR(os.lstat(path).st_mode)
    except OSError:
        return False


def _same_vendor(row: Row, name: str, sys_root: str) -> bool:
    """Whether sysfs agrees on the vendor; a node it says nothing about passes."""
    if row.pci_vendor is None:
        return True
    text = _read(f"{sys_root}/class/drm/{name.rpartition('/')[2]}/device/vendor").strip()
    return text in ("", row.pci_vendor)


def _administrative_minors(proc_root: str) -> list[str]:
    """Return the minor numbers, as text, of the capabilities that concern the whole host."""
    minors = []
    for name in ADMINISTRATIVE:
        for line in _read(f"{proc_root}/driver/{name}").splitlines():
            key, _, value = line.partition(":")
            if key == "DeviceFileMinor":
                minors.append(value.strip())
    return minors


def _read(path: str) -> str:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return os.read(fd, 4096).decode("ascii", "replace")
    except OSError:
        return ""
    finally:
        os.close(fd)
