"""What a program needs to use a GPU. It follows the request alone: a device node that is there asks for nothing."""

from __future__ import annotations

from pyopenshell.baseline.model import Proposal
from pyopenshell.devices.nodes import ANY, NUMBER, ROWS, gpus
from pyopenshell.errors import GpuError
from pyopenshell.policy.access import DEVICE, READ_ONLY, READ_WRITE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyopenshell.baseline.model import Private
    from pyopenshell.devices.host import Device

ALL = -1
"""A count that means every GPU there is."""

RUNTIME: tuple[tuple[str | None, str, tuple[str, ...], str], ...] = (
    (
        None,
        "/run/nvidia-persistenced",
        (*READ_ONLY, "resolve_unix"),
        "The socket of NVIDIA's persistence daemon: a denial there is fatal where its absence is not.",
    ),
    (None, "/proc/driver/nvidia", READ_ONLY, "The NVIDIA driver's version, parameters and GPUs."),
    (None, "/proc/driver/nvidia-uvm", READ_ONLY, "The state of unified memory, which cuInit reads."),
    (None, "/proc/driver/nvidia-caps", READ_ONLY, "The numbers of MIG capabilities."),
    (None, "/proc/driver/nvidia-caps-imex-channels", READ_ONLY, "The numbers of channels between NVLink nodes."),
    ("wsl", "/usr/lib/wsl", READ_ONLY, "The driver's libraries, which Windows lends to WSL2."),
    ("amd", "/sys/devices/virtual/kfd", READ_ONLY, "The topology of AMD's GPUs, which ROCm reads first."),
)
"""(vendor that must be there, or None; path, rights, reason): the GPU runtime without its devices."""


def proposals(devices: tuple[Device, ...], count: int, private: Private) -> tuple[Proposal, ...]:
    """Return the grants for a sandbox that asks for ``count`` GPUs: ALL, or 0 for the runtime and no device node.

    Each device node is a grant of its own. Raises GpuError when there is no GPU, and for other counts: choosing
    among several GPUs is not available yet.
    """
    if count not in (ALL, 0):
        raise GpuError(
            f"choosing {count} of this host's GPUs is not available in this version",
            hint="ask for all GPUs (--gpu), or for the GPU runtime without a device (--gpu 0)",
            code="gpu.selection-unavailable",
        )
    if count == ALL and not gpus(devices):
        raise GpuError(
            "a GPU was asked for, and this host has none",
            hint="load the GPU's driver; --gpu 0 asks for the GPU runtime without a device",
        )
    vendors = {device.vendor for device in devices}
    runtime = [(path, access, why) for vendor, path, access, why in RUNTIME if vendor is None or vendor in vendors]
    cache = private.cuda_cache
    return (
        *(Proposal("gpu", path, DEVICE, reason) for path, reason in _nodes(devices, count)),
        *(Proposal("gpu", path, access, reason) for path, access, reason in runtime),
        *([Proposal("gpu", cache, READ_WRITE, "CUDA keeps compiled kernels here.", private=True)] if cache else []),
    )


def _nodes(devices: tuple[Device, ...], count: int) -> list[tuple[str, str]]:
    """Return the device nodes with their reasons.

    Control nodes of a vendor whose GPU is here are named even when they are missing, so that the report shows what
    CUDA will not find.
    """
    if count == 0:
        return []
    nodes = {device.path: device.reason for device in devices if device.role != "admin"}
    present = {device.vendor for device in gpus(devices)}
    for row in ROWS:
        if row.role == "control" and row.vendor in present and not row.pattern.endswith((NUMBER, ANY)):
            nodes.setdefault(f"/dev/{row.pattern}", row.reason)
    return list(nodes.items())
