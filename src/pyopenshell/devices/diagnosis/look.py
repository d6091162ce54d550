"""Look at this host: what ``Surroundings`` hold, read from files. Nothing is run, no device opened, no daemon asked."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from pyopenshell.devices import engine_config, engines, inventory, nvidia
from pyopenshell.devices.cdi import files, lint, registry
from pyopenshell.devices.diagnosis import spec_folders
from pyopenshell.devices.diagnosis.surroundings import Card, Setting, Surroundings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pyopenshell.devices.cdi.read import Reading

VENDORS = {"0x10de": "nvidia", "0x1002": "amd"}
"""PCI vendors of GPUs that compute, as sysfs writes them."""
GPU_CLASSES = ("0x03", "0x12")
"""PCI classes of displays and of processing accelerators (pci_ids.h), as sysfs's ``class`` begins."""
KIND = re.compile(rb"""^[ \t{,]*["']?kind["']?[ \t]*:[ \t]*["']?([\w.-]+/[\w.-]+)""", re.MULTILINE | re.ASCII)
"""A spec's kind, in a text that may be no YAML and no JSON."""


def look_around(
    cdi_spec_dirs: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
    *,
    root: str = "",
    dev_root: str = "/dev",
    proc_root: str = "/proc",
    sys_root: str = "/sys",
) -> Surroundings:
    """Return what this host shows. ``root`` stands before the paths of engines, their files, and standard folders."""
    environ = os.environ if environ is None else environ
    folders = registry.folders(cdi_spec_dirs, environ)
    if root and folders == registry.STANDARD:
        folders = tuple(root + folder for folder in folders)
    found = inventory.read(dev_root, proc_root, sys_root, nvml=False)
    report = lint.folders(folders, found)
    specs = registry.gather(report.readings)
    return Surroundings(
        report.folders,
        report.faults,
        specs.names(),
        found.devices,
        found.driver,
        _cards(sys_root),
        _settings(environ, root),
        specs.conflicts,
        tuple(_kinds(report.readings)),
    )


def _kinds(readings: Iterable[Reading]) -> Iterator[tuple[str, str]]:
    """Give the kinds of specs that cannot be used, as far as their texts have one."""
    for reading in readings:
        if reading.spec is None:
            data = files.load(reading.file, lambda *_fault: None) or b""
            if kind := KIND.search(data):
                yield reading.file, kind[1].decode()


def _cards(sys_root: str) -> tuple[Card, ...]:
    folder = f"{sys_root}/bus/pci/devices"
    cards = []
    for address in nvidia.entries(folder):
        vendor = VENDORS.get(nvidia.read(f"{folder}/{address}/vendor").strip())
        if vendor and nvidia.read(f"{folder}/{address}/class").startswith(GPU_CLASSES):
            cards.append(Card(address, vendor))
    return tuple(sorted(cards, key=lambda card: card.address))


def _settings(environ: Mapping[str, str], root: str) -> tuple[Setting, ...]:
    defaults = {row.name: ".".join(map(str, row.default)) for row in engines.ROWS}
    found = []
    for engine in engines.find(environ, root, ask=lambda _programs: {}):
        said = engine_config.read(engine.name, environ, root)
        folders = spec_folders.read(engine.name, environ, root)
        default = defaults[engine.name]
        wrong = (said.unreadable, said.invalid)
        found.append(Setting(engine.name, engine.program, said.cdi, said.said, default, folders, *wrong))
    return tuple(found)
