"""The linter: every fault of specs, in themselves, beside each other, as files, and against this host."""

from __future__ import annotations

import os
import stat

from pyopenshell.devices.cdi import elsewhere, files, host, lookup, modes, registry
from pyopenshell.devices.cdi.codes import STDIN
from pyopenshell.devices.cdi.fault import ERROR, Fault
from pyopenshell.devices.cdi.read import Faults, Reading, read_bytes, read_file
from pyopenshell.devices.cdi.registry import Folder
from pyopenshell.errors import OpenShellError
from pyopenshell.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pyopenshell.devices.gpu import Inventory

TAKEN = "give it another name that ends in .yaml: the one it would get is another file's"
"""The mend of a wrong ending where renaming would replace a file."""


class Report(Record):
    """What was checked, and what is wrong. ``gpu`` says whether this host has a GPU, ``driver`` which version runs."""

    faults: tuple[Fault, ...]
    readings: tuple[Reading, ...]
    folders: tuple[Folder, ...]
    gpu: bool
    driver: str | None = None

    @property
    def errors(self) -> int:
        """How many of the faults are errors."""
        return sum(fault.severity == ERROR for fault in self.faults)


def folders(paths: Sequence[str], inventory: Inventory) -> Report:
    """Return what is wrong with the configured folders.

    On a host without a GPU, standard folders without a spec are no fault.
    """
    report = _report([registry.scan(path, priority) for priority, path in enumerate(registry.once(paths))], inventory)
    specs = [reading.spec for reading in report.readings if reading.spec is not None]
    if specs:
        faults = Faults(None)
        host.uncovered(specs, inventory.devices, faults.note)
        report = report.replace(faults=(*report.faults, *faults.ordered()))
    if not report.gpu and tuple(paths) == registry.STANDARD:
        kept = tuple(fault for fault in report.faults if fault.code not in lookup.ABSENT)
        report = report.replace(faults=kept)
    return report


def paths(
    given: Sequence[str],
    inventory: Inventory,
    stdin: Callable[[], bytes],
    configured: Sequence[str] = registry.STANDARD,
) -> Report:
    """Return what is wrong with files, folders and standard input.

    Files of one folder are beside each other; a folder decides over those given before it. What lies outside of the
    ``configured`` folders may be no spec, and has mends that do no harm to other files. Raises OpenShellError with the
    code ``cdi.no-such-path``.
    """
    order: dict[str, int] = {}
    ours = {os.path.realpath(path) for path in configured}
    scans = []
    for path in dict.fromkeys(given):
        if path == STDIN:
            scans.append(registry.Scan(None, (read_bytes(stdin(), STDIN, order.setdefault(STDIN, len(order))),), ()))
            continue
        folder = _is_folder(path)
        place = os.path.realpath(path if folder else os.path.dirname(path) or ".")
        priority = order.setdefault(place, len(order))
        scan = registry.scan(path.rstrip("/") or "/", priority) if folder else _file(path, priority)
        scans.append(scan if place in ours else _elsewhere(scan))
    return _report(scans, inventory)


def _file(path: str, priority: int) -> registry.Scan:
    """Return what a file holds that was named."""
    reading = read_file(path, priority)
    faults = Faults(path)
    if reading.meant and not files.is_spec(path):
        files.other_ending(path, faults.note)
    return registry.Scan(None, (reading,), faults.ordered())


def _elsewhere(scan: registry.Scan) -> registry.Scan:
    """Return what was found outside of the folders of specs, with mends that do no harm to what is no spec."""
    harmless = elsewhere.named if scan.folder is None else elsewhere.inside
    return scan.replace(readings=tuple(map(harmless, scan.readings)), elsewhere=True)


def _is_folder(path: str) -> bool:
    """Whether a path that was given is a folder. Raises OpenShellError where nothing is there, not even a link."""
    try:
        mode = os.lstat(path).st_mode
    except (OSError, ValueError) as error:
        message = f"{path}: {getattr(error, 'strerror', None) or error}" if path else "an empty PATH names nothing"
        hint = (
            "name a spec, a folder of specs, or - for standard input; without any, the configured folders are checked"
        )
        raise OpenShellError(message, hint=hint, code="cdi.no-such-path") from error
    return stat.S_ISDIR(mode) or (stat.S_ISLNK(mode) and os.path.isdir(path) and not files.is_spec(path))


def _report(scans: Iterable[registry.Scan], inventory: Inventory) -> Report:
    """Return the faults of what was read, by folder and file, each file's own before those against the host."""
    every = list(scans)
    readings = tuple(reading for scan in every for reading in scan.readings)
    beside: dict[str | None, list[Fault]] = {}
    for clash in registry.gather(readings).faults[sum(len(reading.faults) for reading in readings) :]:
        beside.setdefault(clash.file, []).append(clash)
    looked = tuple(scan.folder for scan in every if scan.folder is not None)
    foreign = {scan.folder.path for scan in every if scan.folder is not None and scan.elsewhere}
    faults = [elsewhere.mended(one) if one.file in foreign else one for one in registry.folder_faults(looked)]
    for scan in every:
        faults += _folder_modes(scan)
    for scan in every:
        faults += map(_renamed, scan.beside)
        for reading in scan.readings:
            faults += [*reading.faults, *beside.get(reading.file, ()), *_modes(reading, scan)]
            faults += _against_host(reading, inventory.driver)
    return Report(tuple(faults), readings, looked, bool(inventory.gpus), inventory.driver)


def _renamed(fault: Fault) -> Fault:
    """Return the fault of a wrong ending with the command that renames the file, where that makes a spec of it."""
    if fault.code != "cdi.ending" or fault.file is None or read_file(fault.file).spec is None:
        return fault
    return fault.replace(mend=files.renaming(fault.file) or TAKEN)


def _folder_modes(scan: registry.Scan) -> tuple[Fault, ...]:
    """Return what the modes of a folder do wrong. Elsewhere it may be closed, and without specs be anybody's."""
    if scan.folder is None or scan.folder.errno:
        return ()
    if not scan.elsewhere:
        return _of_modes(scan.folder.path)
    specs = any(reading.meant for reading in scan.readings)
    return tuple(fault for fault in _of_modes(scan.folder.path) if specs and fault.code != "cdi.mode")


def _modes(reading: Reading, scan: registry.Scan) -> tuple[Fault, ...]:
    """Return what the modes of a file do wrong. What is no spec may be closed, and unreadable is told already."""
    if reading.file == STDIN or (scan.elsewhere and not reading.meant):
        return ()
    unreadable = any(fault.code == "cdi.unreadable" for fault in reading.faults)
    return tuple(fault for fault in _of_modes(reading.file) if not (unreadable and fault.code == "cdi.mode"))


def _of_modes(path: str) -> tuple[Fault, ...]:
    faults = Faults(path)
    modes.check(path, faults.note)
    return faults.ordered()


def _against_host(reading: Reading, driver: str | None) -> tuple[Fault, ...]:
    """Return what this host says against a spec."""
    faults = Faults(reading.file)
    if reading.spec is not None:
        host.check(reading.spec, driver, faults.note)
    return faults.ordered()
