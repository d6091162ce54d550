"""Which of several causes it is, by what the host shows (pure).

A refinement takes what a text said and the surroundings, and returns conclusions: the code of a row, what was seen
that says so, and the steps that this suggests. Where it returns none, the row of the text stands as it is.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from pyopenshell.devices.cdi.fault import ERROR
from pyopenshell.policy.problems import nearest
from pyopenshell.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pyopenshell.devices.cdi.fault import Fault
    from pyopenshell.devices.diagnosis.match import Match
    from pyopenshell.devices.diagnosis.surroundings import Setting, Surroundings

SHOWN = 8
"""Things of one kind that are named before it is said how many more there are."""
AGAINST_HOST = frozenset(
    f"cdi.{name}"
    for name in (
        *("node-missing", "node-type", "node-number", "mount-missing", "hook-missing", "hook-not-executable"),
        *("driver-version", "folder-missing", "folder-empty", "folder-unreadable"),
    )
)
"""Faults for which no engine drops a spec: they show when a container starts, or are of folders."""
SERVES = {"nvidia.com": ("nvidia", "wsl", "tegra"), "amd.com": ("amd",)}
"""Whose device nodes the CDI devices of a vendor need."""
NODES = ("/dev/nvidia", "/dev/dxg", "/dev/kfd", "/dev/nvmap")
"""What the names of nodes begin with that the inventory has all of."""


class Conclusion(Record):
    """The row ``code`` is the cause; ``seen`` says by what, ``steps`` come before the row's own."""

    code: str
    seen: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()


def refine(match: Match, here: Surroundings) -> tuple[Conclusion, ...]:
    """Return what the host says about a match: causes in its place or beside it, the first the likeliest."""
    function = REFINEMENTS.get(match.row.refine)
    return tuple(function(match, here)) if function else ()


def _unresolvable(match: Match, here: Surroundings) -> list[Conclusion]:
    """Tell why a name does not resolve: no folder, no file, a refused spec, another name; or that it does, here."""
    if match.names and set(match.names) <= set(here.names):
        return [_resolves(match, here)]
    return [*_specs(match, here), *_hardware(here, _vendors(match.names))]


def _resolves(match: Match, here: Surroundings) -> Conclusion:
    seen = f"{_listed(match.names)} {'resolves' if len(match.names) == 1 else 'resolve'} here"
    closed = [fault for fault in here.faults if fault.code == "cdi.mode"]
    for setting in _speakers(match, here):
        if setting.cdi is False:
            return Conclusion("cdi.switched-off", (seen, f"{setting.engine}: {setting.said} switches CDI off"))
        if setting.folders and not any(folder.files and folder.path in setting.folders for folder in here.folders):
            steps = (f"sudo nvidia-ctk cdi generate --output={setting.folders[-1]}/nvidia.yaml",)
            reads = f"{setting.engine} reads its specs from {_listed(setting.folders)}"
            return Conclusion("cdi.other-folders", (seen, reads), steps)
    mends = tuple(dict.fromkeys(fault.mend for fault in closed))
    return Conclusion("cdi.name-is-there", (seen, *_few([_fault(fault) for fault in closed])), mends[:SHOWN])


def _specs(match: Match, here: Surroundings) -> list[Conclusion]:
    """Return what keeps a name from being found, or nothing where no folder was looked into."""
    folders = tuple(f"{folder.path}: {_state(folder.errno, folder.files)}" for folder in here.folders)
    beside = tuple(_fault(fault) for fault in here.faults if fault.code in ("cdi.ending", "cdi.mode"))
    if not here.folders:
        return []
    if all(folder.errno == errno.ENOENT for folder in here.folders):
        return [Conclusion("cdi.folder-missing", folders)]
    closed = [folder.path for folder in here.folders if folder.errno in (errno.EACCES, errno.EPERM)]
    if closed:
        return [Conclusion("cdi.folder-unreadable", folders, tuple(f"sudo chmod a+rx {path}" for path in closed))]
    if not any(folder.files for folder in here.folders):
        return [Conclusion("cdi.folder-empty", (*folders, *beside))]
    found = []
    refused = [fault for fault in here.faults if fault.severity == ERROR and fault.code not in AGAINST_HOST]
    if refused:
        mends = tuple(dict.fromkeys(fault.mend for fault in refused if fault.mend))
        seen = (*_few([_fault(fault) for fault in refused]), *beside)
        found.append(Conclusion("cdi.spec-refused", seen, mends[:SHOWN]))
    if here.names or not refused:
        missing = [name for name in match.names if name not in here.names]
        there = f"there are {_listed(here.names)}" if here.names else "the specs have no device that resolves"
        meant = [near for name in missing if (near := nearest(name, here.names)) and not name[-1:].isdigit()]
        steps = tuple(f"Did you mean {name}?" for name in dict.fromkeys(meant))
        seen = (*([f"no spec has {_listed(missing)}"] if missing else []), there)
        found.append(Conclusion("cdi.unknown-device", seen if refused else (*seen, *beside), steps))
    return found


def _docker_cdi(_match: Match, here: Surroundings) -> list[Conclusion]:
    """Tell what the daemon's file says of CDI."""
    setting = next((setting for setting in here.settings if setting.engine == "docker"), None)
    if setting is None:
        return []
    if setting.cdi is False:
        return [Conclusion("cdi.switched-off", (f"{setting.said} is false",))]
    if setting.cdi:
        return [Conclusion("cdi.off", (f"{setting.said} is true: the daemon is older than 25, or has not read it",))]
    why = (
        f"{setting.unreadable[0]} cannot be read by you"
        if setting.unreadable
        else "no file of Docker's sets features.cdi"
    )
    return [Conclusion("cdi.off", (f"{why}; CDI is on by itself from Docker {setting.default}",))]


def _node(match: Match, here: Surroundings) -> list[Conclusion]:
    """Tell whether a device node is here now, and whether any is."""
    there = {device.path for device in here.devices}
    named = [path for path in match.paths if path.startswith(NODES)]
    seen = tuple(f"{path} is {'here now' if path in there else 'not here'}" for path in named[:SHOWN])
    return [Conclusion(match.row.code, (*seen, *_running(here))), *_hardware(here, ("nvidia", "wsl", "tegra", "amd"))]


def _driver(match: Match, here: Surroundings) -> list[Conclusion]:
    """Tell whether a driver runs on this host, and whether there is hardware for it."""
    return [Conclusion(match.row.code, _running(here)), *_hardware(here, ("nvidia", "wsl", "tegra", "amd"))]


def _files(match: Match, here: Surroundings) -> list[Conclusion]:
    """Tell which files of specs the linter misses too."""
    stale = [fault for fault in here.faults if fault.code in ("cdi.mount-missing", "cdi.driver-version")]
    return [Conclusion(match.row.code, (*_few([_fault(fault) for fault in stale]), *_running(here)))]


REFINEMENTS: dict[str, Callable[[Match, Surroundings], list[Conclusion]]] = {
    "unresolvable": _unresolvable,
    "docker-cdi": _docker_cdi,
    "node": _node,
    "driver": _driver,
    "files": _files,
}
"""What ``Row.refine`` may name."""


def _hardware(here: Surroundings, vendors: Iterable[str]) -> list[Conclusion]:
    """Return that a vendor's nodes are missing, or its hardware, where that is so; ``vendors`` may be none."""
    wanted = tuple(vendors)
    if not wanted or any(device.role == "gpu" and device.vendor in wanted for device in here.devices):
        return []
    cards = [card for card in here.cards if card.vendor in wanted]
    if cards:
        seen = f"on the PCI bus: {_listed([f'{card.address} ({card.vendor})' for card in cards])}"
        return [Conclusion("gpu.nodes-missing", (seen, *_running(here)))]
    return [Conclusion("gpu.no-hardware", ("no GPU device node, and no such GPU on the PCI bus",))]


def _running(here: Surroundings) -> tuple[str, ...]:
    """Say what of drivers and devices is here."""
    gpus = [device.path for device in here.devices if device.role == "gpu"]
    driver = f"NVIDIA's driver {here.driver} runs" if here.driver else "no NVIDIA driver runs"
    return (f"{driver}; {_listed(gpus) if gpus else 'no GPU device node'}",)


def _vendors(names: Iterable[str]) -> tuple[str, ...]:
    """Return whose nodes the devices need; of names from elsewhere, nobody's. No name may be anybody's."""
    asked = [name.partition("/")[0] for name in names] or list(SERVES)
    return tuple(vendor for name in asked for vendor in SERVES.get(name, ()))


def _speakers(match: Match, here: Surroundings) -> list[Setting]:
    """Return the settings of the engines that may have said this: docker's for Docker's words, and so on."""
    engine = {"docker": ("docker", "containerd"), "k8s": ("containerd", "cri-o")}.get(match.row.code.partition(".")[0])
    return [setting for setting in here.settings if engine is None or setting.engine in engine]


def _state(error: int, files: int) -> str:
    if error == errno.ENOENT:
        return "not there"
    if error:
        return "cannot be read"
    return "no specs" if not files else f"{files} spec{'s' * (files > 1)}"


def _fault(fault: Fault) -> str:
    place = ":".join(str(part) for part in (fault.file, fault.line) if part is not None)
    return f"{place}: {fault.message}" if place else fault.message


def _few(told: list[str]) -> list[str]:
    return told[:SHOWN] + ([f"and {len(told) - SHOWN} more"] if len(told) > SHOWN else [])


def _listed(names: Iterable[str]) -> str:
    every = list(names)
    return ", ".join(every[:SHOWN]) + (f" and {len(every) - SHOWN} more" if len(every) > SHOWN else "")
