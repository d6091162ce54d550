"""The linter: every fault of specs, in themselves, beside each other, as files, and against this host."""

from __future__ import annotations

import os
import stat

from pyopenshell.devices.cdi import files, host, modes, registry
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

MISSING = frozenset(("cdi.folder-missing", "cdi.folder-empty"))
"""Faults that are none where there is nothing to write a spec for."""


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
        kept = tuple(fault for fault in report.faults if fault.code not in MISSING)
        report = report.replace(faults=kept)
    return report


def paths(given: Sequence[str], inventory: Inventory, stdin: Callable[[], bytes]) -> Report:
    """Return what is wrong with files, folders and standard input.

    Files of one folder are beside each other; a folder decides over those given before it. Raises OpenShellError with
    the code ``cdi.no-such-path``.
    """
    order: dict[str, int] = {}
    scans = []
    for path in dict.fromkeys(given):
        if path == STDIN:
            scans.append(registry.Scan(None, (read_bytes(stdin(), STDIN, order.setdefault(STDIN, len(order))),), ()))
            continue
        if _is_folder(path):
            scans.append(registry.scan(path.rstrip("/") or "/", order.setdefault(os.path.realpath(path), len(order))))
            continue
        parent = os.path.realpath(os.path.dirname(path) or ".")
        faults = Faults(path)
        if not files.is_spec(path):
            files.other_ending(path, faults.note)
        reading = read_file(path, order.setdefault(parent, len(order)))
        scans.append(registry.Scan(None, (reading,), faults.ordered()))
    return _report(scans, inventory)


def _is_folder(path: str) -> bool:
    """Whether a path that was given is a folder. Raises OpenShellError where nothing is there, not even a link."""
    try:
        mode = os.lstat(path).st_mode
    except (OSError, ValueError) as error:
        message = f"{path}: {getattr(error, 'strerror', None) or error}"
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
    faults = [*registry.folder_faults(looked)]
    for folder in looked:
        faults += _modes(folder.path)
    for scan in every:
        faults += scan.beside
        for reading in scan.readings:
            faults += [*reading.faults, *beside.get(reading.file, ()), *_against_host(reading, inventory.driver)]
    return Report(tuple(faults), readings, looked, bool(inventory.gpus), inventory.driver)


def _modes(path: str) -> tuple[Fault, ...]:
    faults = Faults(path)
    modes.check(path, faults.note)
    return faults.ordered()


def _against_host(reading: Reading, driver: str | None) -> tuple[Fault, ...]:
    """Return what the file's modes and this host say against a spec."""
    faults = Faults(reading.file)
    if reading.file != STDIN:
        modes.check(reading.file, faults.note)
    if reading.spec is not None:
        host.check(reading.spec, driver, faults.note)
    return faults.ordered()
