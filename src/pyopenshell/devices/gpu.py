"""A GPU and its parts, as the inventory finds them and selection chooses among them."""

from __future__ import annotations

from pyopenshell.devices.host import Device
from pyopenshell.record import Record


class Mig(Record):
    """A MIG instance: a slice of a GPU with memory and processors of its own.

    ``index`` counts within its GPU; ``nodes`` are the capability devices that open it (``/dev/nvidia-caps/…``), the
    GPU instance's and the compute instance's. What the driver did not tell is None.
    """

    index: int
    uuid: str | None = None
    name: str | None = None
    gpu_instance: int | None = None
    compute_instance: int | None = None
    nodes: tuple[str, ...] = ()


class Gpu(Record):
    """One GPU. ``index`` is the driver's (by PCI address), which is not its device's ``minor`` number.

    ``nodes`` are the device nodes that are this GPU's alone, the one that programs open first in front. ``bus`` is its
    PCI address, ``name`` the model. What could not be told is None.
    """

    index: int
    vendor: str
    nodes: tuple[str, ...]
    minor: int | None = None
    uuid: str | None = None
    name: str | None = None
    bus: str | None = None
    migs: tuple[Mig, ...] = ()


class Inventory(Record):
    """The GPUs of this host and the device nodes beside them.

    ``devices`` are all nodes (``devices.nodes``), the control nodes among them; ``driver`` is the version of NVIDIA's
    driver that runs. ``source`` says who told: ``nvml``, ``procfs`` or ``nodes`` (the names in /dev alone); ``notes``
    are sentences about what could not be told, and why.
    """

    gpus: tuple[Gpu, ...] = ()
    devices: tuple[Device, ...] = ()
    driver: str | None = None
    source: str = "nodes"
    notes: tuple[str, ...] = ()
