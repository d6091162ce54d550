"""What is around this process: a container, another kind of machine, variables that narrow the GPUs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pyopenshell.cli.doctor.codes import Check, check
from pyopenshell.devices import visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pyopenshell.cli.doctor.roots import Roots
    from pyopenshell.devices.gpu import Inventory

VARIABLES = (visible.CUDA, visible.CONTAINER, *visible.SLURM)
ENGINES = ("docker", "kubepods", "libpod", "containerd", "lxc", "garden")
"""Words of a cgroup's path that only container engines write."""


def checks(inventory: Inventory, environ: Mapping[str, str], roots: Roots) -> Iterator[Check]:
    """Name what matters; where nothing does, say that."""
    found = [*_places(roots, environ), *_visible(inventory, environ)]
    yield from found or [check("surroundings.none", "surroundings", "no container, no variable that narrows GPUs")]


def _places(roots: Roots, environ: Mapping[str, str]) -> Iterator[Check]:
    engine = container(roots, environ)
    if engine:
        hint = "devices, capabilities and system calls are what whoever started the container left"
        yield check("surroundings.container", "container", engine, hint)
    release = roots.text(f"{roots.proc}/sys/kernel/osrelease")
    if "microsoft" in release.lower():
        hint = "its GPUs are Windows', through /dev/dxg; the driver is installed in Windows, never here"
        yield check("surroundings.wsl", "WSL", release.strip(), hint)
    compatible = roots.text(f"{roots.proc}/device-tree/compatible")
    if "nvidia,tegra" in compatible or os.path.exists(f"{roots.root}/etc/nv_tegra_release"):
        model = roots.text(f"{roots.proc}/device-tree/model").strip("\0\n ") or "/etc/nv_tegra_release is there"
        yield check("surroundings.tegra", "Tegra", model)


def container(roots: Roots, environ: Mapping[str, str]) -> str | None:
    """Return what says that this is a container, None where nothing does."""
    for path in ("/run/.containerenv", "/.dockerenv"):
        if os.path.exists(roots.root + path):
            return f"{path} is there"
    told = roots.text(f"{roots.root}/run/systemd/container").strip() or environ.get("container", "")
    if told:
        return f"its manager calls it {told}"
    if "KUBERNETES_SERVICE_HOST" in environ:
        return "KUBERNETES_SERVICE_HOST is set"
    for line in roots.text(f"{roots.proc}/1/cgroup").splitlines():
        path = line.split(":", 2)[-1]
        if any(word in path for word in ENGINES):
            return f"the first process is in the cgroup {path}"
    return None


def _visible(inventory: Inventory, environ: Mapping[str, str]) -> Iterator[Check]:
    """Say what the variables leave of the GPUs there are."""
    told = [f"{name}={environ[name]}" for name in VARIABLES if name in environ]
    if not told:
        return
    left = visible.visible(inventory.gpus, environ)
    notes = "".join(f"; {note}" for note in left.notes)
    names = ", ".join(node for gpu in left.gpus for node in gpu.nodes[:1])
    seen = f"{', '.join(told)}: {len(left.gpus)} of {len(inventory.gpus)} GPUs left ({names or 'none'}){notes}"
    if inventory.gpus and not left.gpus:
        yield check("surroundings.visible-none", "variables", seen, *_narrowing(left.by))
    else:
        yield check("surroundings.visible", "variables", seen)


def narrowing(inventory: Inventory, environ: Mapping[str, str]) -> tuple[str, tuple[str, ...]] | None:
    """Return hint and steps about the variables that take GPUs away; None where none does."""
    left = visible.visible(inventory.gpus, environ)
    return _narrowing(left.by) if left.by and len(left.gpus) < len(inventory.gpus) else None


def _narrowing(names: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    which = " and ".join(names)
    return f"{which} leaves no more GPUs: unset it, or have it name more that are here", (f"unset {' '.join(names)}",)
