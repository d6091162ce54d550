"""Every check, in its order: the kernel, this process, a sandbox that is launched, the GPUs, what is around them."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pyopenshell.cli.doctor import kernel, process, who
from pyopenshell.cli.doctor.codes import CRITICAL, GROUPS, Check, check
from pyopenshell.cli.doctor.roots import Roots

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pyopenshell.cli.doctor.launched import Launched
    from pyopenshell.devices.cdi.registry import Registry
    from pyopenshell.devices.gpu import Inventory
    from pyopenshell.effective.model import Identity


TRY = ("openshell run -- true",)


def checks(gpu: int | None = None, cdi_folders: tuple[str, ...] = (), roots: Roots | None = None) -> list[Check]:
    """Return every check. ``gpu`` GPUs (-1: all) are asked for; ``cdi_folders`` stand for the usual ones."""
    from pyopenshell.launch import facts

    found = [*kernel.checks(facts.host()), *process.checks()]
    possible = all(check.severity != CRITICAL for check in found)
    if possible:
        found.append(_sandbox())
    found += Hardware(roots or Roots(), gpu, cdi_folders).checks(launch=possible)
    order = [*GROUPS]
    return sorted(found, key=lambda check: order.index(check.group))


def _sandbox() -> Check:
    """Launch a sandbox: what the parts above promise is then true of the whole."""
    from pyopenshell.cli.doctor import launched

    done = launched.launch(owner=_owner())
    if done.untried:
        advice = "mend that, or try it yourself; nothing else speaks against a sandbox here"
        return check("sandbox.untried", "a sandbox", f"not tried: {done.untried}", advice, TRY)
    if done.code == 0:
        return check("sandbox.ok", "a sandbox", f"`true` ran in one, in {done.seconds:.1f} s")
    hint = done.error.get("hint") if done.error else None
    return check("sandbox.failed", "a sandbox", done.why, hint, TRY)


def _owner() -> tuple[int, int] | None:
    """Return owner and group of the working directory: root's sandboxes run as whom it belongs to."""
    if os.geteuid() != 0:
        return None
    try:
        status = os.stat(".")
    except OSError:
        return None
    return (status.st_uid, status.st_gid) if status.st_uid else None


class Hardware:
    """The groups about GPUs and what is around them. Each is tried by itself: if one fails, that is a finding too."""

    def __init__(self, roots: Roots, gpu: int | None = None, cdi_folders: tuple[str, ...] = ()) -> None:
        """Look at the devices."""
        from pyopenshell.devices import inventory

        self.roots = roots
        self.gpu = gpu
        self.cdi_folders = cdi_folders
        self.inventory: Inventory = inventory.read(roots.dev, roots.proc, roots.sys, nvml=False)
        self.identity: Identity = who.identity()
        self.usable = False
        self.effective: dict[str, Any] | None = None

    def checks(self, *, launch: bool) -> list[Check]:
        """Return the checks of every group. ``launch``: sandboxes work, so that one with a GPU can be tried."""
        parts: tuple[tuple[str, Callable[[], Iterable[Check]]], ...] = (
            ("gpu", lambda: self._gpus(launch=launch)),
            ("driver", self._driver),
            ("specs", self._cdi),
            ("engines", self._engines),
            ("cgroup", self._cgroups),
            ("surroundings", self._surroundings),
        )
        found: list[Check] = []
        for name, part in parts:
            try:
                found += part()
            except Exception as error:  # whatever a strange host does: the other checks are told
                seen = f"{type(error).__name__}: {error}"
                found.append(check("doctor.untried", name, seen, "please report this with the output of this command"))
        return found

    def _gpus(self, *, launch: bool) -> Iterable[Check]:
        from pyopenshell.cli.doctor import gpu_nodes, gpus, surroundings

        done = self._launched() if launch and self.inventory.gpus and self.roots == Roots() else None
        machine = gpus.hardware(self.roots)
        yield gpus.summary(self.inventory, gpu=self.gpu is not None, seen=[*machine])
        yield from gpus.without_nodes(machine, self.inventory)
        contained = surroundings.container(self.roots, os.environ) is not None
        found = list(gpu_nodes.checks(self.inventory.devices, self.identity, self.roots, contained=contained))
        own = {path for one in self.inventory.gpus for path in one.nodes}
        self.usable = any(check.code == "gpu.node-ok" and check.name in own for check in found)
        yield from found
        if done is not None:
            yield gpus.launched(done, found, surroundings.narrowing(self.inventory, os.environ))

    def _launched(self) -> Launched | None:
        """Launch a sandbox with the GPUs asked for, or one; its groups are then those that the nodes are tried with."""
        from pyopenshell.cli.doctor import launched
        from pyopenshell.cli.run_options import ALL_GPUS

        folders = [word for folder in self.cdi_folders for word in ("--cdi-spec-dir", folder)]
        count = "all" if self.gpu == ALL_GPUS else str(self.gpu or 1)
        done = launched.launch("--gpu", count, *folders, owner=_owner())
        if done.untried:
            return None
        self.identity = who.as_launched(self.identity, done.effective)
        self.effective = done.effective
        return done

    def _driver(self) -> Iterable[Check]:
        from pyopenshell.cli.doctor import cdi, driver, driver_files, launched

        named = [folder for folder in os.environ.get("LD_LIBRARY_PATH", "").split(":") if folder.startswith("/")]
        brought = cdi.mounts(self._registry)
        mounts, told = (brought, ()) if self.effective is None else launched.shown(self.effective)
        view = driver_files.View(mounts, told, brought)
        return driver.checks(self.inventory, self.identity, self.roots, usable=self.usable, folders=named, view=view)

    @cached_property
    def _registry(self) -> Registry:
        from pyopenshell.devices.cdi import registry

        return registry.read(registry.folders(self.cdi_folders, os.environ))

    def _cdi(self) -> Iterable[Check]:
        from pyopenshell.cli.doctor import cdi
        from pyopenshell.devices.cdi import lint, registry

        faults = lint.folders(registry.folders(self.cdi_folders, os.environ), self.inventory).faults
        return cdi.checks(self._registry, faults, self.inventory)

    def _engines(self) -> Iterable[Check]:
        from pyopenshell.cli.doctor import driver, engines

        here = any(gpu.vendor in driver.VENDORS for gpu in self.inventory.gpus)
        return engines.checks(os.environ, self.roots, gpu=here)

    def _cgroups(self) -> Iterable[Check]:
        from pyopenshell.cli.doctor import cgroups

        return cgroups.checks(self.roots)

    def _surroundings(self) -> Iterable[Check]:
        from pyopenshell.cli.doctor import surroundings

        return surroundings.checks(self.inventory, os.environ, self.roots)
