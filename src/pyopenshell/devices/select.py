"""Which GPUs and CDI devices a sandbox gets: those that were asked for, and no others."""

from __future__ import annotations

import os

from pyopenshell.devices.gpu import Gpu, Inventory, Mig
from pyopenshell.devices.numbers import Nodes
from pyopenshell.errors import GpuError
from pyopenshell.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pyopenshell.devices.cdi.registry import Found, Registry
    from pyopenshell.devices.visible import Visible

ALL = -1
"""A count that means every GPU there is."""
SHOWN = 12
"""Names that an error lists before it says how many more there are."""
CUDA = ("nvidia", "wsl", "tegra")
"""Vendors whose programs use CUDA, and need what CUDA needs."""
VISIBLE = "CUDA_VISIBLE_DEVICES"
NONE_VISIBLE = "-1"
"""CUDA_VISIBLE_DEVICES for a sandbox without a GPU: CUDA stops reading at an entry that is none."""


class Unit(Record):
    """What a count counts: a GPU, or where a GPU is split by MIG, one of its instances."""

    gpu: Gpu
    mig: Mig | None = None

    @property
    def key(self) -> tuple[str, int, int]:
        """What tells it from all others of the host."""
        return self.gpu.vendor, self.gpu.index, self.mig.index if self.mig else -1

    @property
    def nodes(self) -> tuple[str, ...]:
        """The device nodes that are this unit's, and with MIG those that its neighbours share."""
        return (*self.gpu.nodes, *self.mig.nodes) if self.mig else self.gpu.nodes

    @property
    def uuid(self) -> str | None:
        """The identifier that CUDA knows it by, where the driver told."""
        return self.mig.uuid if self.mig else self.gpu.uuid

    @property
    def label(self) -> str:
        """Return its place and what it is: ``0 (NVIDIA H200)``, ``0:2 (MIG 1g.18gb)``."""
        place = f"{self.gpu.index}:{self.mig.index}" if self.mig else str(self.gpu.index)
        what = (self.mig.name if self.mig else None) or self.gpu.name or self.gpu.vendor
        return f"{place} ({what})"


class Choice(Record):
    """One device that the sandbox gets: what it holds, and the CDI device that says what it needs.

    ``found`` is None where no spec covers it: then the table of device nodes is used. ``named``: by ``--device``.
    """

    units: tuple[Unit, ...]
    found: Found | None = None
    named: bool = False

    @property
    def name(self) -> str:
        """Its qualified name, or its place and model where no spec names it."""
        return self.found.name if self.found else ", ".join(f"GPU {unit.label}" for unit in self.units)


class Selection(Record):
    """What was chosen. ``count`` is what ``--gpu`` asked for (ALL, or None where it was not given).

    ``notes`` are sentences on what narrowed the choice; ``others`` are GPUs that the sandbox can open all the same,
    because the policy says so; ``closed`` those chosen that it keeps read-only.
    """

    count: int | None
    choices: tuple[Choice, ...]
    inventory: Inventory
    notes: tuple[str, ...] = ()
    others: tuple[Unit, ...] = ()
    closed: frozenset[tuple[str, int, int]] = frozenset()

    @property
    def units(self) -> tuple[Unit, ...]:
        """Every GPU and instance that was chosen, once."""
        return tuple({unit.key: unit for choice in self.choices for unit in choice.units}.values())

    @property
    def is_gpu(self) -> bool:
        """Whether the sandbox asks for a GPU or its runtime: by a count, or by a device that is one."""
        return self.count is not None or any(_is_gpu(choice) for choice in self.choices)

    @property
    def is_cuda(self) -> bool:
        """Whether the sandbox's GPU is one for CUDA. The runtime without a device is CUDA's too."""
        vendors = {unit.gpu.vendor for unit in self.units}
        if not vendors:
            return self.count is not None or any(_is_nvidias(choice) for choice in self.choices)
        return not vendors.isdisjoint(CUDA)

    @property
    def visible(self) -> str | None:
        """The value of CUDA_VISIBLE_DEVICES that fits what was chosen; None where CUDA is to look for itself.

        UUIDs where all are known. Else numbers from 0: CUDA counts the GPUs that it can open, as under a device cgroup,
        in the order of their places.
        """
        if not self.is_cuda:
            return None
        units = [unit for unit in self.units if unit.gpu.vendor in CUDA and unit.key not in self.closed]
        if any(unit.gpu.vendor == "wsl" and not unit.uuid for unit in units):
            return None  # one node for all of the Windows host's: the caller's own value chooses among them
        if not units:
            return NONE_VISIBLE if self.closed or (self.count == 0 and not self.choices) else None
        uuids = [unit.uuid for unit in units if unit.uuid]
        if len(uuids) == len(units):
            return ",".join(uuids)
        counted = sorted({unit.key: unit for unit in (*units, *self.others)})
        return ",".join(str(counted.index(unit.key)) for unit in units)

    @property
    def hides(self) -> str | None:
        """The caller's variable that does not fit what was chosen: it counts among GPUs that are not known here."""
        of_wsl = any(unit.gpu.vendor == "wsl" for unit in self.units)
        return VISIBLE if self.is_cuda and self.visible is None and not of_wsl else None


def _is_gpu(choice: Choice) -> bool:
    return bool(choice.units) or (choice.found is not None and choice.found.spec.kind.endswith("/gpu"))


def _is_nvidias(choice: Choice) -> bool:
    """Whether a device that is no GPU of the inventory is one of NVIDIA's all the same, by its kind."""
    vendor = choice.found.spec.kind.rpartition("/")[0] if choice.found else ""
    return _is_gpu(choice) and (vendor == "nvidia.com" or vendor.endswith(".nvidia.com"))


def select(
    count: int | None, names: tuple[str, ...], inventory: Inventory, registry: Registry, environ: Mapping[str, str]
) -> Selection:
    """Choose the named devices, and as many GPUs as are still missing to ``count``, the first that are visible.

    Raises GpuError, with a list of what there is: for a name that is unknown or cannot be resolved, for more GPUs than
    there are, for fewer than were named.
    """
    from pyopenshell.devices.visible import visible

    nodes = Nodes()
    seen = visible(inventory.gpus, environ)
    every = [unit for gpu in inventory.gpus for unit in _units(gpu)]
    named = [_named(name, every, registry, nodes) for name in dict.fromkeys(names)]
    held = {unit.key for choice in named for unit in choice.units}
    if count is None:
        return Selection(count, tuple(named), inventory)
    if count not in (ALL, 0) and count < len(held):
        raise GpuError(
            f"--gpu {count} is fewer than the {len(held)} GPUs that --device names",
            hint="name fewer devices, or leave the count out",
            code="gpu.count",
        )
    if count == 0 and held:
        raise GpuError("--gpu 0 asks for no GPU, and --device names one", hint="leave one out", code="gpu.count")
    free = [unit for gpu in seen.gpus for unit in _units(gpu) if unit.key not in held]
    wanted = len(free) if count == ALL else count - len(held)
    if (count == ALL and not free and not held) or wanted > len(free):
        raise _too_few(count, len(held), every, free=free, seen=seen, registry=registry)
    covering = _single(every, registry, nodes) if wanted else {}
    chosen = [Choice((unit,), covering.get(unit.key)) for unit in free[:wanted]]
    return Selection(count, (*named, *chosen), inventory, seen.notes)


def _units(gpu: Gpu) -> list[Unit]:
    return [Unit(gpu, mig) for mig in gpu.migs] or [Unit(gpu)]


def _named(name: str, every: list[Unit], registry: Registry, nodes: Nodes) -> Choice:
    """Return a device asked for by name, with the GPUs that it holds: those whose nodes are all its own."""
    found = registry.find(name)
    return Choice(_held(found, every, nodes), found, named=True)


def _held(found: Found, every: list[Unit], nodes: Nodes) -> tuple[Unit, ...]:
    every_node = (*found.spec.edits.device_nodes, *found.device.edits.device_nodes)
    own = nodes.numbers(node.host_path for node in every_node if not nodes.problem(node))
    return tuple(unit for unit in every if (mine := nodes.numbers(unit.nodes)) and mine <= own)


def _single(every: list[Unit], registry: Registry, nodes: Nodes) -> dict[tuple[str, int, int], Found]:
    """Return, by a unit's key, the CDI device that holds it and no other.

    A GPU has several names as a rule (its index, its UUID, ``all`` where it is alone): the shortest is the index.
    """
    result: dict[tuple[str, int, int], Found] = {}
    for _name, found in sorted(registry.devices().items(), key=lambda one: (len(one[0]), one[0])):
        held = _held(found, every, nodes)
        if len(held) == 1:
            result.setdefault(held[0].key, found)
    return result


def _too_few(
    count: int, held: int, every: list[Unit], *, free: list[Unit], seen: Visible, registry: Registry
) -> GpuError:
    """Say what there is, and what of it is left."""
    if not every:
        known = registry.names()
        by_name = f"; CDI specs name other devices: --device {known[0]}" if known else ""
        return GpuError(
            "a GPU was asked for, and this host has none",
            hint=f"'openshell doctor --gpu' says what is missing; --gpu 0 asks for the GPU runtime alone{by_name}",
        )
    asked = "all GPUs were" if count == ALL else "1 GPU was" if count == 1 else f"{count} GPUs were"
    left = len(free) + held
    there = (
        f"this host has {left}" if left == len(every) else f"{left or 'none'} of this host's {len(every)} can be had"
    )
    narrowed = f" ({', '.join(seen.by)} leaves no more)" if seen.by else ""
    labels = listed([unit.label for unit in (free or every)])
    hint = "ask for no more than that; 'openshell gpu list' shows them all"
    if seen.by and left < len(every):
        hint = f"{' and '.join(seen.by)}: unset it, or have it name more; 'openshell gpu list' shows what it leaves"
    return GpuError(
        f"{asked} asked for, and {there}{narrowed}: {labels}",
        hint=hint,
        code="gpu.too-few",
    )


def opened_besides(
    selection: Selection, writable: Iterable[str], read_only: Iterable[str] = (), *, unconfined: bool = False
) -> Selection:
    """Return the selection with what the policy makes of it: GPUs that can be opened besides, and those that cannot.

    ``writable`` and ``read_only`` are declared paths. A GPU can be opened where all its nodes can: those of the chosen,
    and what lies in a writable path. A node that is declared read-only cannot. ``unconfined``: everything can.
    """
    folders = [os.path.realpath(path) for path in writable]
    kept = set() if unconfined else {os.path.realpath(path) for path in read_only}
    chosen = {unit.key for unit in selection.units}
    granted = {node for unit in selection.units for node in unit.nodes}
    every = [unit for gpu in selection.inventory.gpus for unit in _units(gpu)]

    def opens(node: str) -> bool:
        return unconfined or (node not in kept and (node in granted or any(_lies(node, one) for one in folders)))

    others = tuple(unit for unit in every if unit.key not in chosen and all(map(opens, unit.nodes)))
    closed = frozenset(unit.key for unit in selection.units if not kept.isdisjoint(unit.nodes))
    return selection.replace(others=others, closed=closed)


def _lies(path: str, folder: str) -> bool:
    return folder in (path, "/") or path.startswith(folder + "/")


def listed(names: Iterable[str]) -> str:
    """Return names as a sentence lists them, cut to a readable number."""
    every = list(names)
    more = f" and {len(every) - SHOWN} more" if len(every) > SHOWN else ""
    return ", ".join(every[:SHOWN]) + more
