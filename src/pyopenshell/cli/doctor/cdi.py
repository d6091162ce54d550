"""CDI specs: where they are looked for, what resolves, and what is wrong with them, the worst first."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from pyopenshell.cli.doctor.codes import LOW, MEDIUM, Check, check
from pyopenshell.devices.cdi import names
from pyopenshell.devices.cdi.codes import AGAIN, GENERATE
from pyopenshell.devices.cdi.fault import ERROR

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pyopenshell.devices.cdi.fault import Fault
    from pyopenshell.devices.cdi.registry import Registry
    from pyopenshell.devices.gpu import Inventory

SHOWN = 3
"""Faults that are told before it says how many more there are."""
ABSENT = ("cdi.folder-missing", "cdi.folder-empty")
"""Faults of folders where there is nothing: said in one row."""
APART = (*ABSENT, "cdi.folder-unreadable", "cdi.uncovered")
"""Faults that have a row of their own."""


def checks(registry: Registry, faults: Sequence[Fault], inventory: Inventory) -> Iterator[Check]:
    """Check folders, specs and devices. ``faults`` are the registry's and the linter's together."""
    for folder in registry.folders:
        if folder.errno not in (0, errno.ENOENT):
            seen = f"cannot be listed: {errno.errorcode.get(folder.errno, folder.errno)}"
            yield check(
                "cdi.folder-unreadable", folder.path, seen, "let this user list it", (f"sudo chmod a+rx {folder.path}",)
            )
    looked = ", ".join(folder.path for folder in registry.folders)
    nvidia = any(gpu.vendor == "nvidia" for gpu in inventory.gpus)
    resolvable = registry.names()
    if resolvable:
        yield check("cdi.ok", "devices", f"{len(resolvable)} resolve: {names.listed(resolvable)}")
    elif not any(folder.files for folder in registry.folders):
        seen = f"no spec in {looked}"
        hint = "have NVIDIA's toolkit write one where containers are to have GPUs, or names of CDI are to be used"
        if nvidia:
            yield check("cdi.no-specs", "specs", seen, hint, (f"sudo {GENERATE}",))
        else:
            yield check("cdi.none", "specs", seen)
    wrong = [fault for fault in faults if fault.code not in APART]
    if wrong:
        yield _faults(wrong)
    for fault in faults:
        if fault.code == "cdi.uncovered" and resolvable:
            yield check("cdi.uncovered", "specs", fault.message, AGAIN, (f"sudo {GENERATE}",))


def _faults(wrong: Sequence[Fault]) -> Check:
    """Return one row for all faults, the errors first."""
    ordered = sorted(wrong, key=lambda fault: fault.severity != ERROR)
    errors = sum(fault.severity == ERROR for fault in wrong)
    counts = [f"{errors} error{'s' * (errors != 1)}"] * bool(errors)
    counts += [f"{len(wrong) - errors} warning{'s' * (len(wrong) - errors != 1)}"] * (errors < len(wrong))
    told = "; ".join(f"{_place(fault)}{fault.message} [{fault.code}]" for fault in ordered[:SHOWN])
    more = f"; {len(ordered) - SHOWN} more" if len(ordered) > SHOWN else ""
    hint = "openshell gpu lint tells all of them, each with what mends it"
    steps = ("openshell gpu lint", *dict.fromkeys(fault.mend for fault in ordered[:SHOWN]))
    return check(
        "cdi.faults",
        "specs",
        f"{' and '.join(counts)}: {told}{more}",
        hint,
        steps[:1],
        severity=MEDIUM if errors else LOW,
    )


def _place(fault: Fault) -> str:
    place = ":".join(str(part) for part in (fault.file, fault.line) if part)
    return f"{place}: " if place else ""
