"""NVIDIA's driver: the module in the kernel beside the libraries of programs, and the persistence daemon."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from pyopenshell.cli.doctor import driver_files, opening, who
from pyopenshell.cli.doctor.codes import LOW, Check, check
from pyopenshell.devices import libraries

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pyopenshell.cli.doctor.roots import Roots
    from pyopenshell.devices.gpu import Inventory
    from pyopenshell.effective.model import Identity

VENDORS = ("nvidia", "wsl", "tegra")
"""The vendors whose GPUs programs use through CUDA."""
FOLDER = "/run/nvidia-persistenced"
SOCKET = f"{FOLDER}/socket"
"""Where NVIDIA's persistence daemon listens (nvidia-persistenced(1))."""


def checks(
    inventory: Inventory,
    identity: Identity,
    roots: Roots,
    *,
    usable: bool,
    folders: Iterable[str] = (),
    view: driver_files.View | None = None,
) -> Iterator[Check]:
    """Check module, libraries and daemon, as a sandbox sees them.

    ``usable``: a GPU's node was opened; ``folders`` may hold libraries too; ``view`` is what
    the sandbox has and the host has not.
    """
    view = view or driver_files.View()
    where = (*folders, *dict.fromkeys(os.path.dirname(path) for path in view.mounts), *view.mounts)
    here = any(gpu.vendor in VENDORS for gpu in inventory.gpus)
    native = any(gpu.vendor == "nvidia" for gpu in inventory.gpus)
    cuda, nvml = (
        libraries.find(name, roots.root, folders=where, told=view.told, mounts=view.mounts)
        for name in (libraries.CUDA, libraries.NVML)
    )
    if not (here or inventory.driver or cuda or nvml):
        yield check("driver.none", "driver", "no kernel module, no libcuda.so.1, no libnvidia-ml.so.1")
        return
    if inventory.driver:
        yield check("driver.ok", "kernel module", f"version {inventory.driver}")
    elif native:
        yield _no_module(roots, usable=usable)
    for name, found in ((libraries.CUDA, cuda), (libraries.NVML, nvml)):
        if found:
            yield from driver_files.present(name, found, inventory, identity, roots, here=here)
        elif here:
            yield driver_files.absent(name, inventory.driver, view, roots)
    yield _persistenced(identity, roots)


def _no_module(roots: Roots, *, usable: bool) -> Check:
    if usable:
        seen = f"its version is not told in {roots.proc}/driver/nvidia; its nodes answer all the same"
        hint = "programs may miss what it says there: something around this process hides it"
        return check("driver.not-loaded", "kernel module", seen, hint, severity=LOW)
    steps = ("sudo modprobe nvidia", "sudo dmesg | grep -iE 'nvrm|nvidia'", "dkms status")
    hint = "load it; where that fails, it was not built for this kernel, or Secure Boot refuses it"
    return check("driver.not-loaded", "kernel module", "not loaded", hint, steps)


def _persistenced(identity: Identity, roots: Roots) -> Check:
    """Connect as the sandbox's user would, say nothing, and look at the answer."""
    path = roots.root + SOCKET
    number = opening.outcomes(identity, [(opening.CONNECT, path)])[opening.CONNECT, path]
    try:
        seen = f"{SOCKET}, in a folder {stat.filemode(os.stat(roots.root + FOLDER).st_mode)}"
    except OSError:
        seen = SOCKET
    if number in (errno.ENOENT, errno.ENOTDIR) or not os.path.lexists(roots.root + FOLDER):
        return check("persistenced.none", "persistenced", f"{SOCKET} is not there")
    if number == 0:
        return check("persistenced.ok", "persistenced", f"{seen}: it answers {who.words(identity)}")
    if number == opening.UNTRIED:
        return check(
            "persistenced.untried", "persistenced", f"{seen}; this process cannot become {who.words(identity)}"
        )
    answer = errno.errorcode.get(number, str(number))
    if number in (errno.EACCES, errno.EPERM):
        hint = "CUDA and NVML take a denial there for a fatal error: let everybody enter the folder, and use the socket"
        steps = (f"sudo chmod a+rx {FOLDER}", f"sudo chmod a+rw {SOCKET}")
        return check("persistenced.denied", "persistenced", f"{seen}: {answer} for {who.words(identity)}", hint, steps)
    return check("persistenced.stale", "persistenced", f"{seen}: {answer}, which drivers take for a daemon that is off")
