"""NVIDIA's driver: the module in the kernel beside the libraries of programs, and the persistence daemon."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from pyopenshell.cli.doctor import opening, who
from pyopenshell.cli.doctor.codes import HIGH, LOW, MEDIUM, Check, check
from pyopenshell.devices import libraries

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pyopenshell.cli.doctor.roots import Roots
    from pyopenshell.devices.gpu import Inventory
    from pyopenshell.devices.libraries import Library
    from pyopenshell.effective.model import Identity

VENDORS = ("nvidia", "wsl", "tegra")
"""The vendors whose GPUs programs use through CUDA."""
FOLDER = "/run/nvidia-persistenced"
SOCKET = f"{FOLDER}/socket"
"""Where NVIDIA's persistence daemon listens (nvidia-persistenced(1))."""


def checks(
    inventory: Inventory, identity: Identity, roots: Roots, *, usable: bool, folders: Iterable[str] = ()
) -> Iterator[Check]:
    """Check module, libraries and daemon. ``usable``: a GPU's node was opened; ``folders`` may hold libraries too."""
    here = any(gpu.vendor in VENDORS for gpu in inventory.gpus)
    native = any(gpu.vendor == "nvidia" for gpu in inventory.gpus)
    cuda = libraries.find(libraries.CUDA, roots.root, folders=folders)
    nvml = libraries.find(libraries.NVML, roots.root, folders=folders)
    if not (here or inventory.driver or cuda or nvml):
        yield check("driver.none", "driver", "no kernel module, no libcuda.so.1, no libnvidia-ml.so.1")
        return
    if inventory.driver:
        yield check("driver.ok", "kernel module", f"version {inventory.driver}")
    elif native:
        yield _no_module(roots, usable=usable)
    for name, found in ((libraries.CUDA, cuda), (libraries.NVML, nvml)):
        if found:
            yield from _library(name, found, inventory, identity, roots, here=here)
        elif here:
            yield _no_library(name, inventory.driver)
    yield _persistenced(identity, roots)


def _no_module(roots: Roots, *, usable: bool) -> Check:
    if usable:
        seen = f"its version is not told in {roots.proc}/driver/nvidia; its nodes answer all the same"
        hint = "programs may miss what it says there: something around this process hides it"
        return check("driver.not-loaded", "kernel module", seen, hint, severity=LOW)
    steps = ("sudo modprobe nvidia", "sudo dmesg | grep -iE 'nvrm|nvidia'", "dkms status")
    hint = "load it; where that fails, it was not built for this kernel, or Secure Boot refuses it"
    return check("driver.not-loaded", "kernel module", "not loaded", hint, steps)


def _no_library(name: str, version: str | None) -> Check:
    of = f" of version {version}" if version else ""
    hint = (
        f"install the driver's libraries{of} (Debian: libcuda1, Ubuntu: libnvidia-compute-…, Fedora: "
        "nvidia-driver-cuda-libs); in a container NVIDIA's runtime or a CDI spec brings them"
    )
    code = "driver.no-libcuda" if name == libraries.CUDA else "driver.no-nvml"
    return check(
        code,
        name,
        "not in the loader's cache, nor in the folders where drivers put it",
        hint,
        ("ldconfig -p | grep -E 'libcuda|nvidia-ml'",),
    )


def _library(
    name: str, found: tuple[Library, ...], inventory: Inventory, identity: Identity, roots: Roots, *, here: bool
) -> Iterator[Check]:
    """Check the first library: the one that the loader takes, where it takes one."""
    first = found[0]
    seen = first.path if first.path == first.file else f"{first.path} is {first.file}"
    right = True
    if first.is_stub and here:
        right = False
        hint = "the toolkit's stubs must not be in the loader's path: take their folder out, and run ldconfig"
        yield check("driver.stub", name, seen, hint, ("grep -rn stubs /etc/ld.so.conf.d", "sudo ldconfig"))
    elif not first.found_by_loader and here:
        right = False
        folder = os.path.dirname(first.path)
        yield check(
            "driver.not-in-cache",
            name,
            f"{seen}, which is not in the loader's cache",
            "tell the loader, or the sandbox: openshell run --env LD_LIBRARY_PATH=" + folder,
            (f"echo {folder} | sudo tee /etc/ld.so.conf.d/nvidia.conf", "sudo ldconfig"),
        )
    if _differs(first, inventory.driver):
        right = False
        yield check(
            "driver.mismatch",
            name,
            f"{seen}, version {first.version}; the kernel module is {inventory.driver}",
            "the driver was upgraded, and its old module still runs: start the machine anew, or load the new module "
            "when nothing uses the GPUs",
            ("sudo reboot",),
            severity=HIGH if here else MEDIUM,
        )
    denied = opening.outcomes(identity, [(opening.READ, roots.root + first.file)])[
        opening.READ, roots.root + first.file
    ]
    if denied not in (0, opening.UNTRIED) and here:
        right = False
        yield check(
            "driver.unreadable",
            name,
            f"{first.file}: {errno.errorcode.get(denied, denied)} for {who.words(identity)}",
            "let everybody read it, and enter the folders above it",
            (f"namei -l {first.file}", f"sudo chmod a+r {first.file}"),
            severity=HIGH if name == libraries.CUDA else LOW,
        )
    if right:
        yield check("driver.ok", name, f"{seen}{_other_versions(found)}")


def _differs(library: Library, module: str | None) -> bool:
    """Tell whether a library cannot work with the module. Forward compatibility is meant to differ."""
    return bool(module and library.version and library.version != module and not library.is_compat)


def _other_versions(found: tuple[Library, ...]) -> str:
    others = [library.file for library in found[1:] if library.version != found[0].version]
    return f"; besides {', '.join(others)}" if others else ""


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
