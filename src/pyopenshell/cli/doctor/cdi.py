"""CDI specs: where they are looked for, what resolves, and what is wrong with them, the worst first."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from pyopenshell.cli.doctor.codes import LOW, MEDIUM, Check, check
from pyopenshell.devices.cdi import names
from pyopenshell.devices.cdi.codes import GENERATE
from pyopenshell.devices.cdi.fault import ERROR
from pyopenshell.devices.cdi.registry import STANDARD

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pyopenshell.devices.cdi.fault import Fault
    from pyopenshell.devices.cdi.registry import Registry
    from pyopenshell.devices.gpu import Inventory

SHOWN = 3
"""Kinds of faults that are told before it says how many more there are."""
ABSENT = ("cdi.folder-missing", "cdi.folder-empty")
"""Faults of folders where there is nothing: said in one row."""
APART = (*ABSENT, "cdi.folder-unreadable", "cdi.uncovered")
"""Faults that have a row of their own."""


def mounts(registry: Registry) -> dict[str, str]:
    """Return what specs mount: the host's path by the path where it is seen. A later spec's stands."""
    return {
        mount.container_path: mount.host_path
        for spec in registry.specs
        for edits in (spec.edits, *(device.edits for device in spec.devices))
        for mount in edits.mounts
    }


def checks(registry: Registry, faults: Sequence[Fault], inventory: Inventory) -> Iterator[Check]:
    """Check folders, specs and devices. ``faults`` are the registry's and the linter's together."""
    closed = [folder for folder in registry.folders if folder.errno not in (0, errno.ENOENT)]
    for folder in registry.folders:
        if folder in closed:
            seen = f"cannot be listed: {errno.errorcode.get(folder.errno, folder.errno)}"
            yield check(
                "cdi.folder-unreadable", folder.path, seen, "let this user list it", (f"sudo chmod a+rx {folder.path}",)
            )
    looked = ", ".join(folder.path for folder in registry.folders)
    nvidia = any(gpu.vendor == "nvidia" for gpu in inventory.gpus)
    resolvable = registry.names()
    if resolvable:
        yield check("cdi.ok", "devices", f"{len(resolvable)} resolve: {names.listed(resolvable)}")
    elif not closed and not any(folder.files for folder in registry.folders):
        seen = f"no spec in {looked}"
        hint = "have NVIDIA's toolkit write one where containers are to have GPUs, or names of CDI are to be used"
        if nvidia:
            yield check("cdi.no-specs", "specs", seen, hint, (f"sudo {GENERATE}",))
        else:
            yield check("cdi.none", "specs", seen)
    wrong = [fault for fault in faults if fault.code not in APART]
    if wrong:
        yield _faults(wrong, [folder.path for folder in registry.folders])
    for fault in faults:
        if fault.code == "cdi.uncovered" and resolvable:
            yield check("cdi.uncovered", "specs", fault.message, fault.mend)


def _faults(wrong: Sequence[Fault], folders: Sequence[str]) -> Check:
    """Return one row for all faults: of each kind the first and how many there are, the errors before the warnings."""
    kinds: dict[str, list[Fault]] = {}
    for fault in sorted(wrong, key=lambda fault: fault.severity != ERROR):
        kinds.setdefault(fault.code, []).append(fault)
    told = [
        f"{_place(same[0])}{same[0].message} [{same[0].code}{f' {len(same)} times' * (len(same) > 1)}]"
        for same in kinds.values()
    ]
    more = f"; {len(told) - SHOWN} more kinds" if len(told) > SHOWN else ""
    errors = sum(fault.severity == ERROR for fault in wrong)
    counts = [_count(errors, "error")] * bool(errors) + [_count(len(wrong) - errors, "warning")] * (errors < len(wrong))
    seen = f"{' and '.join(counts)}: {'; '.join(told[:SHOWN])}{more}"
    hint = "openshell gpu lint tells all of them, each with what mends it"
    where = "" if tuple(folders) == STANDARD else "".join(f" {folder}" for folder in folders)
    severity = MEDIUM if errors else LOW
    return check("cdi.faults", "specs", seen, hint, (f"openshell gpu lint{where}",), severity=severity)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _place(fault: Fault) -> str:
    place = ":".join(str(part) for part in (fault.file, fault.line) if part)
    return f"{place}: " if place else ""
