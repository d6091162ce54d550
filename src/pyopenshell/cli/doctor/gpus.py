"""GPUs: those there are, those that have no driver, and whether a sandbox with one is really made."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from pyopenshell.cli.doctor import gpu_nodes
from pyopenshell.cli.doctor.codes import HIGH, OK, Check, check

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pyopenshell.cli.doctor.launched import Launched
    from pyopenshell.cli.doctor.roots import Roots
    from pyopenshell.devices.gpu import Inventory

NVIDIA = "0x10de"
"""NVIDIA's PCI vendor id, as sysfs writes it."""
DISPLAY = "0x03"
"""How the PCI class of display controllers begins: VGA (0x0300) and 3D (0x0302)."""


def summary(inventory: Inventory, *, gpu: bool, seen: Sequence[str]) -> Check:
    """Say which GPUs there are. ``gpu``: one was asked for; ``seen``: PCI addresses of NVIDIA's in the machine."""
    if inventory.gpus:
        told = "; ".join(_told(found) for found in inventory.gpus)
        return check("gpu.ok", "gpu", f"{len(inventory.gpus)}: {told}")
    control = ", ".join(device.path for device in inventory.devices)
    without = f"{control}, and no GPU's own node" if control else "no device nodes"
    if not gpu:
        return check("gpu.none", "gpu", f"{without}: --gpu would fail, --gpu 0 works")
    if seen:
        return check("gpu.missing", "gpu", f"{without}: --gpu fails", "see the GPU that has no driver")
    hint = "there is no GPU whose driver made device nodes: on this machine --gpu fails, --gpu 0 works"
    steps = ("lspci -nn | grep -iE 'vga|3d|display'", "nvidia-smi -L")
    return check("gpu.missing", "gpu", f"{without}: --gpu fails", hint, steps)


def _told(gpu: Any) -> str:
    """Return a GPU in a few words."""
    told = gpu.name or gpu.vendor
    migs = f" with {len(gpu.migs)} MIG instances" if gpu.migs else ""
    return f"{', '.join(gpu.nodes)} ({told}){migs}"


def hardware(roots: Roots) -> dict[str, str]:
    """Return the driver (empty: none) of each of NVIDIA's GPUs in the machine, by its PCI address."""
    folder = f"{roots.sys}/bus/pci/devices"
    try:
        addresses = sorted(os.listdir(folder))
    except OSError:
        return {}
    found = {}
    for address in addresses:
        place = f"{folder}/{address}"
        if roots.text(f"{place}/vendor").strip() == NVIDIA and roots.text(f"{place}/class").startswith(DISPLAY):
            try:
                found[address] = os.path.basename(os.readlink(f"{place}/driver"))
            except OSError:
                found[address] = ""
    return found


WITHOUT = {
    "": ("no driver has taken it: NVIDIA's is not installed, or not loaded", ("sudo modprobe nvidia", "dkms status")),
    "nouveau": ("the driver nouveau has it, which knows no CUDA: install NVIDIA's, and start the machine anew", ()),
    "vfio-pci": ("it is given to virtual machines: in this system nothing can use it", ()),
    "nvidia": (
        "NVIDIA's driver has it, and its node is not here: on the host make it; in a container whoever starts it must "
        "give it the device",
        ("sudo nvidia-modprobe -c 0 -u", "nvidia-smi -L"),
    ),
}
"""Hint and steps, by the driver that an NVIDIA GPU without a node is bound to."""


def without_nodes(machine: dict[str, str], inventory: Inventory) -> Iterator[Check]:
    """Name the GPUs of the machine that no node stands for. Where each node's GPU is not known, numbers decide."""
    nvidia = [gpu for gpu in inventory.gpus if gpu.vendor == "nvidia"]
    if len(nvidia) >= len(machine):
        return
    known = {(gpu.bus or "").lower()[-12:] for gpu in nvidia}
    rest = {address: driver for address, driver in machine.items() if address[-12:] not in known}
    other = "its driver is no GPU driver"
    for address, driver in [*rest.items()][: len(machine) - len(nvidia)]:
        hint, steps = WITHOUT.get(driver, (other, ()))
        seen = f"an NVIDIA GPU at PCI address {address}, " + (f"driver {driver}" if driver else "without a driver")
        yield check("gpu.no-driver", address, seen, hint, steps)


def launched(
    done: Launched, tried: Sequence[Check] = (), narrowing: tuple[str, tuple[str, ...]] | None = None
) -> Check:
    """Say what came of a sandbox that asked for a GPU.

    ``tried`` are the checks of the nodes, which know what mends each; ``narrowing`` is what to do about variables that
    take GPUs away, None where none does.
    """
    if done.code:
        hint = done.error.get("hint") if done.error else None
        if narrowing and done.error and done.error.get("code") == "gpu.too-few":
            return check("gpu.sandbox-failed", "a GPU sandbox", done.why, *narrowing)
        return check("gpu.sandbox-failed", "a GPU sandbox", done.why, hint)
    grants = (done.effective or {}).get("grants") or []
    devices = [grant for grant in grants if "ioctl_dev" in (grant.get("access") or []) and _gpu(grant)]
    ill = [grant for grant in devices if grant.get("status") not in ("enforced", "covered")]
    count = len(devices) - len(ill)
    seen = f"`true` ran in one, in {done.seconds:.1f} s, with {count} device node{'s' * (count != 1)}"
    named = {grant["origin"]["name"] for grant in devices if grant["origin"].get("kind") == "cdi"}
    seen += f", as {' and '.join(sorted(named))}" if named else ""
    if ill:
        seen += "; without " + ", ".join(f"{grant.get('path')} ({grant.get('status')})" for grant in ill)
    fatal = [
        grant for grant in ill if gpu_nodes.cost(str(grant.get("path")), there=grant.get("status") != "skipped") == HIGH
    ]
    if fatal:
        return check("gpu.sandbox-failed", "a GPU sandbox", seen, *_mend(fatal, tried))
    return check("gpu.sandbox-ok", "a GPU sandbox", seen)


def _mend(fatal: Sequence[dict[str, Any]], tried: Sequence[Check]) -> tuple[str, tuple[str, ...]]:
    """Return what to do about the nodes that CUDA needs: what mends the first, else why the launch left it out."""
    paths = [str(grant.get("path")) for grant in fatal]
    for row in tried:
        if row.name in paths and row.hint and row.status != OK:
            return row.hint, row.steps
    why = (fatal[0].get("detail") or {}).get("message")
    told = f"{paths[0]} is not granted{f' ({why})' if why else ''}: "
    return told + "openshell gpu lint says what is wrong with its spec, openshell gpu list what is here", ()


def _gpu(grant: dict[str, Any]) -> bool:
    """Tell whether a grant is there because of the GPU."""
    origin = grant.get("origin") or {}
    return origin.get("kind") == "cdi" or origin.get("name") == "gpu"
