"""Devices chosen by hand, for the pure parts that come after: grants, reports, findings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyopenshell.devices.cdi.model import CdiDevice, Edits, Spec
from pyopenshell.devices.cdi.registry import Found
from pyopenshell.devices.choose import Chosen
from pyopenshell.devices.edits import merged
from pyopenshell.devices.gpu import Gpu, Inventory, Mig
from pyopenshell.devices.select import Choice, Selection, Unit

if TYPE_CHECKING:
    from pyopenshell.devices.host import Device

FILE = "/etc/cdi/nvidia.yaml"


def by_table(count: int, devices: tuple[Device, ...]) -> Chosen:
    """Choose all GPUs among these nodes, or none where ``count`` is 0.

    Capability nodes are those of one MIG instance of the first GPU.
    """
    nodes = [device for device in devices if device.role == "gpu"]
    caps = tuple(device.path for device in devices if device.role == "caps")
    every = tuple(
        Gpu(index, device.vendor, (device.path,), migs=(Mig(0, nodes=caps),) if caps and not index else ())
        for index, device in enumerate(nodes)
    )
    choices = tuple(Choice((Unit(gpu, *gpu.migs),)) for gpu in every) if count else ()
    selection = Selection(count, choices, Inventory(every, devices))
    return Chosen(selection, merged(choices))


def by_spec(edits: Edits, common: Edits | None = None, devices: tuple[Device, ...] = ()) -> Chosen:
    """Choose ``nvidia.com/gpu=0`` by name, which is the first GPU, from a spec of these edits."""
    device = CdiDevice("0", edits, 20)
    spec = Spec(FILE, "0.7.0", "nvidia.com/gpu", (device,), common or Edits())
    gpu = Gpu(0, "nvidia", ("/dev/nvidia0",), uuid="GPU-1")
    choice = Choice((Unit(gpu),), Found(spec, device, "nvidia.com/gpu=0"), named=True)
    return Chosen(Selection(None, (choice,), Inventory((gpu,), devices)), merged((choice,)))
