"""The GPUs of this host: what /dev holds, joined with what the drivers say of it in /proc and /sys, and through NVML.

No device is opened. What a driver says badly, or not at all, is a note and never an error.
"""

from __future__ import annotations

import os

from pyopenshell.devices import nodes, nvidia
from pyopenshell.devices.gpu import Gpu, Inventory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyopenshell.devices.host import Device

SHOWN = 8
"""Names that a note lists before it says how many more there are."""


def read(dev_root: str = "/dev", proc_root: str = "/proc", sys_root: str = "/sys", *, nvml: bool = True) -> Inventory:
    """Return the GPUs of this host in the order of their drivers, NVIDIA's first, and every GPU device node.

    With ``nvml`` the driver's own library is asked too, where there is an NVIDIA GPU: it alone knows the UUIDs and
    names of MIG instances, and those UUIDs that procfs masks. It runs in a process of its own (``devices.nvml``) that
    can take seconds.
    """
    devices = nodes.present(dev_root, proc_root, sys_root)
    found, untold, notes = _nvidia(devices, proc_root, dev_root)
    integrated = _tegra(devices, found, untold, proc_root)
    if integrated:
        found = [gpu.replace(index=gpu.index + 1) for gpu in found]
    elif untold:
        found += untold
        notes.append(f"the driver says nothing of {_listed(gpu.nodes[0] for gpu in untold)}")
    gpus = (*integrated, *found, *_wsl(devices), *_amd(devices, sys_root))
    if any(gpu.vendor == "wsl" for gpu in gpus):
        notes.append("the GPUs of a Windows host share one device: they cannot be granted one by one")
    source = "procfs" if any(gpu.bus for gpu in found) else "nodes"
    inventory = Inventory(gpus, devices, nvidia.driver(proc_root, sys_root), source, tuple(notes))
    if nvml and any(gpu.vendor in ("nvidia", "tegra", "wsl") for gpu in gpus):
        from pyopenshell.devices import nvml as library

        return library.joined(inventory, library.ask(), proc_root, dev_root)
    return inventory


def _nvidia(devices: tuple[Device, ...], proc_root: str, dev_root: str) -> tuple[list[Gpu], list[Gpu], list[str]]:
    """Return NVIDIA's GPUs, each with its node; those that the driver says nothing of; and what does not fit together.

    A GPU keeps its place among all that the driver drives: in a container it is number 3 where it was number 3 on the
    host. Where the driver says nothing of a GPU, its minor number stands for its place.
    """
    present = {
        minor: device.path
        for device in nodes.gpus(devices)
        if device.vendor == "nvidia" and (minor := nvidia.number(device.path[len(f"{dev_root}/nvidia") :])) is not None
        if device.path == f"{dev_root}/nvidia{minor}"
    }
    every = nvidia.cards(proc_root)
    driven = [card for card in every if not card.excluded]
    notes, gpus, absent = [], [], []
    for index, card in enumerate(driven):
        path = present.pop(card.minor, None) if card.minor is not None else None
        if path is None:
            absent.append(card)
            continue
        migs = nvidia.instances(card.minor, proc_root, dev_root) if card.minor is not None else ()
        gpus.append(Gpu(index, "nvidia", (path,), card.minor, card.uuid, card.name, card.bus, migs))
    for card in every:
        if card.excluded and card.minor is not None:
            present.pop(card.minor, None)
    lost = [card for card in absent if card.minor is not None]
    if lost:
        many = "a GPU" if len(lost) == 1 else f"{len(lost)} GPUs"
        notes.append(f"the driver knows {many} without a device in {dev_root}: {_listed(card.bus for card in lost)}")
    if present and driven and len(lost) == len(absent):
        left = _listed(present[minor] for minor in sorted(present))
        notes.append(f"the driver knows no GPU behind {left}: not counted")
        return gpus, [], notes
    untold = []
    for index, minor in enumerate(sorted(present), start=len(driven)):
        migs = nvidia.instances(minor, proc_root, dev_root)
        untold.append(Gpu(index if driven else minor, "nvidia", (present[minor],), minor, migs=migs))
    return gpus, untold, notes


def _tegra(devices: tuple[Device, ...], found: list[Gpu], untold: list[Gpu], proc_root: str) -> list[Gpu]:
    """Return a Tegra's integrated GPU, with every node of it.

    Where NVIDIA's other driver serves its display, and says nothing of a GPU behind ``nvidiaN``, that belongs to it
    too. A Tegra whose GPU that driver drives has no node of the older driver, whose names end in ``-gpu`` or lie in
    ``nvgpu``.
    """
    own = [device.path for device in nodes.gpus(devices) if device.vendor == "tegra"]
    old = any(path.endswith("-gpu") or "/nvgpu/" in path for path in own)
    if not own or ((found or untold) and not old):
        return []
    first = [path for path in own if path.endswith(("/nvhost-ctrl-gpu", "/nvgpu/igpu0/ctrl"))]
    display = [path for gpu in untold for path in gpu.nodes]
    name = nvidia.read(f"{proc_root}/device-tree/model").strip("\0\n ")[: nvidia.LONGEST]
    return [Gpu(0, "tegra", tuple(dict.fromkeys([*first, *own, *display])), name=name or None)]


def _wsl(devices: tuple[Device, ...]) -> list[Gpu]:
    return [Gpu(0, "wsl", (device.path,)) for device in nodes.gpus(devices) if device.vendor == "wsl"]


def _amd(devices: tuple[Device, ...], sys_root: str) -> list[Gpu]:
    """Return AMD's GPUs by PCI address. Compute needs the render node alone; the card node is for displays."""
    found = []
    for device in nodes.gpus(devices):
        if device.vendor != "amd":
            continue
        render = device.path.rpartition("/")[2]
        folder = f"{sys_root}/class/drm/{render}/device"
        serial = nvidia.read(f"{folder}/unique_id").strip()
        found.append(
            Gpu(
                0,
                "amd",
                (device.path,),
                minor=nvidia.number(render.removeprefix("renderD")),
                uuid=nvidia.uuid(f"GPU-{serial}"),
                name=nvidia.read(f"{folder}/product_name").strip()[: nvidia.LONGEST] or None,
                bus=_address(folder),
            )
        )
    found.sort(key=lambda gpu: (*nvidia.place(gpu.bus or ""), gpu.minor or 0))
    return [gpu.replace(index=index) for index, gpu in enumerate(found)]


def _address(folder: str) -> str | None:
    """Return the PCI address that a device's folder in sysfs links to."""
    try:
        name = os.readlink(folder).rpartition("/")[2]
    except OSError:
        return None
    return name if nvidia.place(name)[0] == 0 else None


def _listed(names: Iterable[str]) -> str:
    every = list(names)
    more = f" and {len(every) - SHOWN} more" if len(every) > SHOWN else ""
    return ", ".join(every[:SHOWN]) + more
