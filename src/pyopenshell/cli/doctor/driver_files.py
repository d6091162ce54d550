"""The driver's libraries of programs: whether a sandbox finds one, of the kernel module's version, and may read it."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from pyopenshell.cli.doctor import opening, who
from pyopenshell.cli.doctor.codes import HIGH, LOW, MEDIUM, Check, check
from pyopenshell.devices import libraries
from pyopenshell.devices.cdi.codes import GENERATE
from pyopenshell.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pyopenshell.cli.doctor.roots import Roots
    from pyopenshell.devices.gpu import Inventory
    from pyopenshell.devices.libraries import Library
    from pyopenshell.effective.model import Identity

LIBRARIES = ("libcuda.so", "libnvidia-ml.so")
GRANTED = ("/usr", "/lib", "/lib64")
"""Folders with libraries that every sandbox may read."""


class View(Record):
    """What a sandbox sees of libraries besides the host's own.

    ``mounts`` are what it is shown: the host's path by the sandbox's. ``told``: the folders of its LD_LIBRARY_PATH.
    ``brought`` are all mounts of specs, in the same form, shown or not.
    """

    mounts: Mapping[str, str] = {}
    told: tuple[str, ...] = ()
    brought: Mapping[str, str] = {}


def _brought(name: str, view: View, roots: Roots) -> Check | None:
    """Return the check of a library that a CDI spec brings, and that a sandbox does not find; None where none does."""
    for path, source in view.brought.items():
        is_folder = os.path.isdir(roots.root + source)
        folder = source if is_folder else os.path.dirname(source)
        file = _versioned(name, roots.root + folder) if is_folder else os.path.basename(source)
        if not file.startswith(name.removesuffix("1")) or libraries.is_foreign(f"{roots.root}{folder}/{file}"):
            continue
        code = "driver.no-libcuda" if name == libraries.CUDA else "driver.no-nvml"
        seen = f"a CDI spec brings {source} as {path}, and a sandbox finds no {name}"
        if not os.path.exists(f"{roots.root}{folder}/{file}"):
            hint = f"{source} is not here: install no driver beside what the spec brings, generate the spec again"
            return check(code, name, seen, hint, (f"sudo {GENERATE}",))
        if path in view.mounts:
            hint = f"no hook of a spec is run, and so nothing has linked {name} to it: make the link; install no driver"
            at, place = (file, source) if is_folder else (os.path.basename(path), os.path.dirname(path))
            return check(code, name, seen, hint, (f"sudo ln -s {at} {place}/{name}",))
        hint = (
            "the sandbox is not shown it (the row of the GPU sandbox has that): grant its folder by read_only of the "
            f"policy, and openshell run --gpu --env LD_LIBRARY_PATH={folder}; install no driver"
        )
        return check(code, name, seen, hint)
    return None


def _versioned(name: str, folder: str) -> str:
    """Return the name of the library's file in a folder that can be listed, empty where none is there."""
    try:
        return next((file for file in sorted(os.listdir(folder)) if file.startswith(name.removesuffix("1"))), "")
    except OSError:
        return ""


def absent(name: str, version: str | None, view: View, roots: Roots) -> Check:
    """Return the check of a library that a sandbox does not find. ``version`` is the kernel module's."""
    brought = _brought(name, view, roots)
    if brought is not None:
        return brought
    code = "driver.no-libcuda" if name == libraries.CUDA else "driver.no-nvml"
    seen = "not in the loader's cache, nor in the folders where drivers put it"
    if any(os.path.basename(source).startswith(LIBRARIES) for source in view.brought.values()):
        hint = f"a CDI spec brings the driver, and leaves {name} out: generate it again; install no driver beside it"
        return check(code, name, seen, hint, (f"sudo {GENERATE}",))
    of = f" of version {version}" if version else ""
    hint = (
        f"install the driver's libraries{of} (Debian: libcuda1, Ubuntu: libnvidia-compute-…, Fedora: "
        "nvidia-driver-cuda-libs); in a container NVIDIA's runtime or a CDI spec brings them"
    )
    return check(code, name, seen, hint, ("ldconfig -p | grep -E 'libcuda|nvidia-ml'",))


def present(
    name: str, found: tuple[Library, ...], inventory: Inventory, identity: Identity, roots: Roots, *, here: bool
) -> Iterator[Check]:
    """Check the first of the libraries: the one that the loader takes, where it takes one."""
    first = found[0]
    seen = first.path if first.path == first.file else f"{first.path} is {first.file}"
    seen += ", by a CDI spec" if first.shown else ""
    right = True
    if first.is_stub and here:
        right = False
        hint = "the toolkit's stubs must not be in the loader's path: take their folder out, and run ldconfig"
        yield check("driver.stub", name, seen, hint, ("grep -rn stubs /etc/ld.so.conf.d", "sudo ldconfig"))
    elif not first.found_by_loader and here:
        right = False
        yield _unknown_to_loader(name, first, seen)
    if _differs(first, inventory.driver):
        right = False
        hint = (
            "the driver was upgraded, and its old module still runs: start the machine anew, or load the new module "
            "when nothing uses the GPUs"
        )
        steps = ("sudo reboot",)
        if first.shown:
            hint, steps = "the CDI spec brings another version: generate it again", (f"sudo {GENERATE}",)
        seen_both = f"{seen}, version {first.version}; the kernel module is {inventory.driver}"
        yield check("driver.mismatch", name, seen_both, hint, steps, severity=HIGH if here else MEDIUM)
    denied = 0 if first.shown else _denied(identity, roots.root + first.file)  # folders above a mount do not matter
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


def _denied(identity: Identity, file: str) -> int:
    """Return the errno of reading a file as this identity, 0 where it can."""
    attempt = opening.READ, file
    return opening.outcomes(identity, [attempt])[attempt]


def _unknown_to_loader(name: str, library: Library, seen: str) -> Check:
    """Return the check of a library that a program must be told of."""
    folder = os.path.dirname(library.path)
    hint = f"the sandbox: openshell run --env LD_LIBRARY_PATH={folder}"
    if not library.shown and not folder.startswith(tuple(f"{place}/" for place in GRANTED)):
        hint += f", with {folder} in read_only of its policy"
    if library.shown:
        return check("driver.not-in-cache", name, f"{seen}, where the loader does not look", f"tell {hint}")
    steps = (f"echo {folder} | sudo tee /etc/ld.so.conf.d/nvidia.conf", "sudo ldconfig")
    return check(
        "driver.not-in-cache", name, f"{seen}, which is not in the loader's cache", f"tell the loader, or {hint}", steps
    )


def _differs(library: Library, module: str | None) -> bool:
    """Tell whether a library cannot work with the module. Forward compatibility is meant to differ."""
    return bool(module and library.version and library.version != module and not library.is_compat)


def _other_versions(found: tuple[Library, ...]) -> str:
    others = [library.file for library in found[1:] if library.version != found[0].version]
    return f"; besides {', '.join(others)}" if others else ""
