"""Looking devices up among all specs: which names clash, and what to say about a name that cannot be resolved."""

from __future__ import annotations

from pyopenshell.devices.cdi import names
from pyopenshell.devices.cdi.codes import STDIN, fault
from pyopenshell.devices.cdi.fault import ERROR, Fault
from pyopenshell.devices.cdi.values import meant
from pyopenshell.errors import GpuError
from pyopenshell.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyopenshell.devices.cdi.model import Spec
    from pyopenshell.devices.cdi.registry import Registry

ABSENT = frozenset(("cdi.folder-missing", "cdi.folder-empty"))
"""Faults of folders without a spec: that is said in other words."""
LINT = "openshell gpu lint"
"""The command that says what is wrong with specs."""


class Conflict(Record):
    """A device that several specs of one folder name: each with the line it stands on."""

    name: str
    places: tuple[tuple[str, int], ...]


def clashes(specs: Sequence[Spec]) -> tuple[tuple[Conflict, ...], tuple[Fault, ...]]:
    """Return the devices that two specs of one folder name, and a fault for each two specs that share devices."""
    from itertools import pairwise

    owners: dict[str, list[tuple[Spec, int]]] = {}
    for spec in specs:
        for device in spec.devices:
            owners.setdefault(names.qualified(spec.kind, device.name), []).append((spec, device.line))
    conflicts = []
    pairs: dict[tuple[str, str, str], list[tuple[str, int, int]]] = {}
    for name, places in owners.items():
        if len(places) == 1:
            continue
        for (spec, line), (later, its_line) in pairwise(places):
            code = "conflict" if spec.priority == later.priority else "shadowed"
            pairs.setdefault((code, spec.file, later.file), []).append((name, line, its_line))
        beside: dict[int, list[tuple[str, int]]] = {}
        for spec, line in places:
            beside.setdefault(spec.priority, []).append((spec.file, line))
        if same := tuple(place for those in beside.values() if len(those) > 1 for place in those):
            conflicts.append(Conflict(name, same))
    return tuple(conflicts), tuple(_clash(*pair, shared) for pair, shared in pairs.items())


def _clash(code: str, file: str, later: str, shared: list[tuple[str, int, int]]) -> Fault:
    """Return the fault of two specs that share devices, at the first of these."""
    name, line, its_line = shared[0]
    more = f", and {len(shared) - 1:,} more" if len(shared) > 1 else ""
    older, newer = _called(file), _called(later)
    if code == "conflict":
        message = f"device {name} is in {older} too, on line {line}{more}: no engine resolves it"
        return fault(code, message, f"keep one of {older} and {newer}", file=later, line=its_line)
    message = f"device {name} is replaced by the one in {newer}, on line {its_line}{more}"
    return fault(code, message, f"keep {newer} alone, if it is the newer one", file=file, line=line)


def _called(file: str) -> str:
    """Return what a spec's file is called in words."""
    return "standard input" if file == STDIN else file


def failure(name: str, registry: Registry) -> GpuError:
    """Return the error for a name that cannot be resolved, with what there is in its hint."""
    for conflict in registry.conflicts:
        if conflict.name == name:
            places = " and ".join(f"{file}:{line}" for file, line in conflict.places)
            return GpuError(
                f"device {name} is in several specs: {places}", hint="keep one of them", code="cdi.conflict"
            )
    there = registry.names()
    kind, device = names.split(name)
    if bare := names.without_permissions(name):
        hint = f"ask for {bare}" if bare in there else _hint(bare, there, registry)
        message = f"{names.show(name)}: names carry no permissions, its spec says them"
        return GpuError(message, hint=hint, code="cdi.bad-name")
    wrong = names.wrong_kind(kind) or names.wrong_device(device) if kind else "it is not vendor/class=device"
    if wrong:
        hint = _hint(name, there, registry)
        return GpuError(f"{names.show(name)} is no CDI name: {wrong}", hint=hint, code="cdi.bad-name")
    same = [other for other in there if names.split(other)[0] == kind]
    if device == "all" and same:
        message = f"no CDI spec has a device called {name}: engines have no 'all' of their own"
        return GpuError(message, hint=f"name each: {names.listed(same)}", code="cdi.unknown-device")
    return GpuError(
        f"no CDI spec has the device {names.show(name)}", hint=_hint(name, there, registry), code="cdi.unknown-device"
    )


def _hint(name: str, there: Sequence[str], registry: Registry) -> str:
    """Return what there is, the name that was probably meant first, and what may be hidden by faults."""
    errors = [found for found in registry.faults if found.severity == ERROR and found.code not in ABSENT]
    wrong = list(dict.fromkeys(found.file for found in errors if found.file))
    more = f" and {len(wrong) - 3:,} more" if len(wrong) > 3 else ""
    why = f"; {LINT} says what is wrong with {', '.join(wrong[:3])}{more}" if wrong else ""
    if not there:
        looked = " or ".join(folder.path for folder in registry.folders if not folder.closed)
        looked = looked or ("any folder that can be read" if registry.folders else "any folder")
        some = any(folder.files for folder in registry.folders)
        return f"no spec in {looked} can be used{why}" if some else f"no spec is in {looked}{why}"
    near = _meant(name, there)
    return f"{f'did you mean {near}? ' if near else ''}there are {names.listed(there)}{why}"


def _meant(name: str, there: Sequence[str]) -> str | None:
    """Return the device that was probably meant: the same name without its kind, or a typing mistake away."""
    device = names.split(name)[1].rpartition("/")[2]
    for other in there:
        if names.split(other)[1] == device:
            return other
    # A number that is not there has no neighbour that is meant instead.
    return None if device.isdigit() else meant(name, there[:1000])
