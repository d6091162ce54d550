"""From a request for devices to what the sandbox gets: look at the host and its specs, select, gather the edits."""

from __future__ import annotations

import os

from pyopenshell.devices import select
from pyopenshell.devices.cdi.fault import ERROR, Fault
from pyopenshell.devices.edits import Merged, merged
from pyopenshell.devices.gpu import Inventory
from pyopenshell.errors import GpuError
from pyopenshell.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


SPECS = (".yaml", ".json")
"""How the names of spec files end. Other faults are about folders, and those need not be there."""


class Chosen(Record):
    """What was selected, and what the CDI specs of that say.

    ``faults`` are those of specs that are not used; ``writable`` are specs in use, or their folders, that others can
    write: the path, what lets them, and the mend.
    """

    selection: select.Selection
    merged: Merged
    faults: tuple[Fault, ...] = ()
    writable: tuple[tuple[str, str, str], ...] = ()


def choose(
    count: int | None,
    names: tuple[str, ...],
    folders: tuple[str, ...],
    environ: Mapping[str, str],
    *,
    writable: tuple[str, ...] = (),
    read_only: tuple[str, ...] = (),
    unconfined: bool = False,
) -> Chosen:
    """Choose ``count`` GPUs (``select.ALL``, or None) and the devices named.

    ``folders`` are where specs are looked for; without any, where ``environ`` or the CDI specification say.
    ``writable`` and ``read_only`` are what the policy declares; ``unconfined``, everything can be opened. Raises
    GpuError as ``select.select`` does, and for a folder that cannot be read.
    """
    if count == 0 and not names and not folders:
        return Chosen(select.Selection(0, (), Inventory()), Merged())  # nothing of the host matters
    from pyopenshell.devices import inventory, visible
    from pyopenshell.devices.cdi import registry

    specs = registry.read(registry.folders(folders, environ))
    for folder in specs.folders if folders else ():
        if folder.errno:
            why = f"--cdi-spec-dir {folder.path}: {os.strerror(folder.errno)}"
            raise GpuError(why, hint="name a folder that holds CDI specs", code="cdi.spec-dir")
    found = inventory.read(nvml=False)
    if visible.needs_uuids(found.gpus, environ):
        found = inventory.read()
    selection = select.select(count, names, found, specs, environ)
    selection = select.opened_besides(selection, writable, read_only, unconfined=unconfined)
    faults = tuple(fault for fault in specs.faults if fault.severity == ERROR and (fault.file or "").endswith(SPECS))
    return Chosen(selection, merged(selection.choices), faults, tuple(_writable(selection)))


def _writable(selection: select.Selection) -> Iterator[tuple[str, str, str]]:
    """Yield what others can write of the specs in use: they choose what the sandbox is given."""
    files = {choice.found.spec.file for choice in selection.choices if choice.found}
    for path in sorted({*files, *map(os.path.dirname, files)}):
        yield from ((path, message, mend) for code, message, mend in _modes(path) if code == "writable")


def _modes(path: str) -> list[tuple[str, str, str]]:
    from pyopenshell.devices.cdi import modes

    told: list[tuple[str, str, str]] = []
    modes.check(path, lambda code, message, mend, *_place: told.append((code, message, mend)))
    return told
