"""Why a CDI name does not resolve, by what the host shows (pure): folders, refused specs, clashes, other names."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from pyopenshell.devices.cdi.fault import ERROR
from pyopenshell.devices.diagnosis.conclusion import Conclusion, foreign, vendors
from pyopenshell.devices.diagnosis.row import CERTAIN, LIKELY, POSSIBLE
from pyopenshell.devices.diagnosis.words import SHOWN, chosen, few, listed, mend, state, told
from pyopenshell.policy.problems import nearest

if TYPE_CHECKING:
    from pyopenshell.devices.cdi.fault import Fault
    from pyopenshell.devices.diagnosis.match import Match
    from pyopenshell.devices.diagnosis.surroundings import Setting, Surroundings

AGAINST_HOST = frozenset(
    f"cdi.{name}"
    for name in (
        *("node-missing", "node-type", "node-number", "mount-missing", "hook-missing", "hook-not-executable"),
        *("driver-version", "folder-missing", "folder-empty", "folder-unreadable", "conflict"),
    )
)
"""Faults for which no engine drops a spec: they show when a container starts, are of folders, or of some devices."""
OURS, PERHAPS, OTHERS = range(3)
"""Whose spec a refused one is: of the kind that was asked for, of a kind that cannot be told, of another."""


def resolves(match: Match, here: Surroundings) -> Conclusion:
    """Return why a name that resolves here did not for the engine."""
    seen = f"{listed(match.names)} {'resolves' if len(match.names) == 1 else 'resolve'} here"
    closed = [fault for fault in here.faults if fault.code == "cdi.mode"]
    for setting in _speakers(match, here):
        if setting.cdi is False:
            return Conclusion("cdi.switched-off", (seen, f"{setting.engine}: {setting.said} switches CDI off"))
        if setting.folders and not any(folder.files and folder.path in setting.folders for folder in here.folders):
            folder = setting.folders[-1]
            generate = f"sudo nvidia-ctk cdi generate --output={folder}/nvidia.yaml"
            steps = (f"Put its spec into {folder}" if foreign(match.names) else generate,)
            reads = f"{setting.engine} reads its specs from {listed(setting.folders)}"
            return Conclusion("cdi.other-folders", (seen, reads), steps)
    return Conclusion("cdi.name-is-there", (seen, *few(closed)), _mends(closed))


def specs(match: Match, here: Surroundings) -> list[Conclusion]:
    """Return what keeps a name from being found, or nothing where no folder was looked into."""
    folders = tuple(f"{folder.path}: {state(folder.errno, folder.files)}" for folder in here.folders)
    beside = tuple(told(fault) for fault in here.faults if fault.code in ("cdi.ending", "cdi.mode"))
    if not here.folders:
        return []
    if all(folder.errno == errno.ENOENT for folder in here.folders):
        return [Conclusion("cdi.folder-missing", folders)]
    closed = [folder.path for folder in here.folders if folder.errno in (errno.EACCES, errno.EPERM)]
    if closed:
        return [Conclusion("cdi.folder-unreadable", folders, tuple(f"sudo chmod a+rx {path}" for path in closed))]
    if not any(folder.files for folder in here.folders):
        return [Conclusion("cdi.folder-empty", (*folders, *beside))]
    clashing = [place for name in match.names for place in here.conflicts if place.name == name]
    if clashing:
        return [_clash(clashing[0].name, clashing[0].places)]
    return _refused_or_unknown(match, here, beside)


def _clash(name: str, places: tuple[tuple[str, int], ...]) -> Conclusion:
    files = tuple(dict.fromkeys(file for file, _line in places))
    seen = f"{name} is in {listed(f'{file}:{line}' for file, line in places)}"
    return Conclusion("cdi.conflict", (seen,), (f"Remove {' or '.join(files)}",), files=files)


def _refused_or_unknown(match: Match, here: Surroundings, beside: tuple[str, ...]) -> list[Conclusion]:
    """Return that specs are refused, those that may have the device first, and that no other spec has it."""
    kinds = dict(here.kinds)
    missing = [name for name in match.names if name not in here.names]
    whose = {fault: _whose(kinds.get(fault.file or "", ""), missing) for fault in _refused(here)}
    ordered = sorted(whose, key=lambda fault: whose[fault])
    wanted = {name.partition("=")[0] for name in missing}
    kin = any(name.partition("=")[0] in wanted for name in here.names)
    nearest_kind = min(whose.values(), default=None)
    found = []
    if ordered:
        most = {OURS: LIKELY if kin else CERTAIN, PERHAPS: POSSIBLE if kin else LIKELY, OTHERS: POSSIBLE}
        seen = (*few(ordered), *beside)
        if nearest_kind == OTHERS:
            seen = (*seen, f"none of these is a spec of {listed(sorted(wanted))}")
        files = tuple(dict.fromkeys(fault.file for fault in ordered if fault.file))
        found.append(Conclusion("cdi.spec-refused", seen, _mends(ordered), most[min(whose.values())], files))
    if here.names or nearest_kind in (None, OTHERS):
        # Where a refused spec may be the one, that no other has the name is only half of the answer.
        most_certain = CERTAIN if nearest_kind in (None, OTHERS) else LIKELY
        unknown = _unknown(missing, here, () if ordered else beside).replace(most=most_certain)
        found.insert(0 if nearest_kind == OTHERS or (nearest_kind == PERHAPS and kin) else len(found), unknown)
    return found


def _unknown(missing: list[str], here: Surroundings, beside: tuple[str, ...]) -> Conclusion:
    there = f"there are {listed(here.names)}" if here.names else "the specs have no device that resolves"
    meant = [near for name in missing if (near := nearest(name, here.names)) and not name[-1:].isdigit()]
    steps = tuple(f"Did you mean {name}?" for name in dict.fromkeys(meant))
    return Conclusion(
        "cdi.unknown-device", (*([f"no spec has {listed(missing)}"] if missing else []), there, *beside), steps
    )


def _refused(here: Surroundings) -> list[Fault]:
    refused = (fault for fault in here.faults if fault.severity == ERROR and fault.code not in AGAINST_HOST)
    return list(dict.fromkeys(refused))


def _whose(kind: str, asked: list[str]) -> int:
    """Return whose a refused spec of this kind is; where no name was asked for, every one may be meant."""
    if not asked:
        return OURS
    if not kind:
        return PERHAPS
    if any(name.partition("=")[0] == kind for name in asked):
        return OURS
    return PERHAPS if set(vendors([kind])) & set(vendors(asked)) else OTHERS


def _mends(faults: list[Fault]) -> tuple[str, ...]:
    """Return what mends the faults that are shown, each with its place."""
    return tuple(dict.fromkeys(mend(fault) for fault in chosen(faults) if fault.mend))[:SHOWN]


def _speakers(match: Match, here: Surroundings) -> list[Setting]:
    """Return the settings of the engines that may have said this: docker's for Docker's words, and so on."""
    engine = {"docker": ("docker", "containerd"), "k8s": ("containerd", "cri-o")}.get(match.row.code.partition(".")[0])
    return [setting for setting in here.settings if engine is None or setting.engine in engine]
