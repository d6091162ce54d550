"""How what was seen of a host is said: faults with their place, folders, drivers, lists that end somewhere."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pyopenshell.devices.cdi.fault import Fault
    from pyopenshell.devices.diagnosis.surroundings import Surroundings

SHOWN = 8
"""Things of one kind that are named before it is said how many more there are."""
OF_ONE = 3
"""Faults of one file that are named beside those of others."""


def state(error: int, files: int) -> str:
    """Say what a folder is like."""
    if error == errno.ENOENT:
        return "not there"
    if error:
        return "cannot be read"
    return "no specs" if not files else f"{files} spec{'s' * (files > 1)}"


def place(fault: Fault) -> str:
    """Return ``file:line`` of a fault, as far as it is known."""
    return ":".join(str(part) for part in (fault.file, fault.line) if part is not None)


def told(fault: Fault) -> str:
    """Say a fault with its place."""
    where = place(fault)
    return f"{where}: {fault.message}" if where else fault.message


def mend(fault: Fault) -> str:
    """Return what mends a fault, with its place where the mend does not name the file itself."""
    where = place(fault)
    return fault.mend if not where or (fault.file and fault.file in fault.mend) else f"{where}: {fault.mend}"


def chosen(faults: Sequence[Fault]) -> tuple[Fault, ...]:
    """Return the faults that are shown: a few, and of one file not so many that they hide those of others."""
    several = len({fault.file for fault in faults}) > 1
    count: dict[str | None, int] = {}
    kept = []
    for fault in faults:
        count[fault.file] = count.get(fault.file, 0) + 1
        if not several or count[fault.file] <= OF_ONE:
            kept.append(fault)
    return tuple(kept[:SHOWN])


def few(faults: Sequence[Fault]) -> tuple[str, ...]:
    """Say the faults that are shown, and how many more there are."""
    shown = chosen(faults)
    more = len(faults) - len(shown)
    return (*map(told, shown), *([f"and {more} more"] if more else []))


def listed(names: Iterable[str]) -> str:
    """Name the first of some things, and how many more there are."""
    every = list(names)
    return ", ".join(every[:SHOWN]) + (f" and {len(every) - SHOWN} more" if len(every) > SHOWN else "")


def running(here: Surroundings) -> tuple[str, ...]:
    """Say what of drivers and devices is here."""
    gpus = [device.path for device in here.devices if device.role == "gpu"]
    driver = f"NVIDIA's driver {here.driver} runs" if here.driver else "no NVIDIA driver runs"
    return (f"{driver}; {listed(gpus) if gpus else 'no GPU device node'}",)
