"""What a program needs to use a GPU. It follows the request alone: a device node that is there asks for nothing."""

from __future__ import annotations

from pyopenshell.baseline.model import Proposal
from pyopenshell.devices.nodes import ANY, NUMBER, ROWS
from pyopenshell.policy.access import DEVICE, READ_ONLY, READ_WRITE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyopenshell.baseline.model import Private
    from pyopenshell.devices.select import Selection

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
"""(vendor that must be chosen, or None for CUDA's own; path, rights, reason): the GPU runtime without its devices."""


def proposals(selection: Selection, private: Private) -> tuple[Proposal, ...]:
    """Return the grants for a GPU's runtime, and the device nodes of what no CDI spec covers, each on its own."""
    vendors = {unit.gpu.vendor for unit in selection.units}
    runtime = [
        (path, access, why)
        for vendor, path, access, why in RUNTIME
        if vendor in vendors or (vendor is None and selection.is_cuda)
    ]
    cache = private.cuda_cache if selection.is_cuda else None
    return (
        *(Proposal("gpu", path, DEVICE, reason) for path, reason in _nodes(selection).items()),
        *(Proposal("gpu", path, access, reason) for path, access, reason in runtime),
        *([Proposal("gpu", cache, READ_WRITE, "CUDA keeps compiled kernels here.", private=True)] if cache else []),
    )


def _nodes(selection: Selection) -> dict[str, str]:
    """Return the device nodes, each with its reason, of the GPUs that the inventory's table alone tells about.

    Control nodes of their vendors are named even when they are missing, so that the report shows what CUDA will not
    find.
    """
    units = [unit for choice in selection.choices if choice.found is None for unit in choice.units]
    vendors = {unit.gpu.vendor for unit in units}
    present = {device.path: device for device in selection.inventory.devices}
    nodes = {path: one.reason for path, one in present.items() if one.role == "control" and one.vendor in vendors}
    for row in ROWS:
        if row.role == "control" and row.vendor in vendors and not row.pattern.endswith((NUMBER, ANY)):
            nodes.setdefault(f"/dev/{row.pattern}", row.reason)
    for unit in units:
        for path in unit.nodes:
            nodes.setdefault(path, present[path].reason if path in present else f"GPU {unit.label}.")
    return nodes
