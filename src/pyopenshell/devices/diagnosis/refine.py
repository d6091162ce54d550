"""Which of several causes it is, by what the host shows (pure).

A refinement takes what a text said and the surroundings, and returns conclusions: the code of a row, what was seen
that says so, and the steps that this suggests. Where it returns none, the row of the text stands as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyopenshell.devices.diagnosis import rows_spec, unresolved
from pyopenshell.devices.diagnosis.conclusion import NVIDIA, Conclusion, foreign, vendors
from pyopenshell.devices.diagnosis.row import CERTAIN, LIKELY, at_most
from pyopenshell.devices.diagnosis.words import SHOWN, few, listed, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pyopenshell.devices.diagnosis.match import Match
    from pyopenshell.devices.diagnosis.surroundings import Surroundings

SERVES = {NVIDIA: ("nvidia", "wsl", "tegra"), "amd.com": ("amd",)}
"""Whose device nodes the CDI devices of a vendor need."""
ANY = ("nvidia", "wsl", "tegra", "amd")
NODES = ("/dev/nvidia", "/dev/dxg", "/dev/kfd", "/dev/nvmap")
"""What the names of nodes begin with that the inventory has all of."""
CLUSTER = ("k8s.", "crio.", "nvml.plugin-")
"""What the codes of rows begin with that speak of a node of a cluster, which is rarely where they are read."""
ELSEWHERE = "the text is from a node of a cluster, and no kubelet is here: ask on the node that ran the pod"
NODE = "On the node that ran the pod: openshell gpu lint, and openshell gpu diagnose with this text"
MAYBE_HERE = "it counts only if this is the node that ran the pod"
IN_VAIN = ("cdi.folder-missing", "cdi.folder-empty")
"""Conclusions whose way out is to make a spec, which no tool can where no GPU answers."""


def refine(match: Match, here: Surroundings) -> tuple[Conclusion, ...]:
    """Return what the host says about a match: causes in its place or beside it, the first the likeliest."""
    function = REFINEMENTS.get(match.row.refine)
    if function is None:
        return ()
    if match.row.code.startswith(CLUSTER) or match.pod:
        return _in_a_cluster(match, here, function)
    found = function(match, here)
    if foreign(match.names):
        # Drivers of other vendors write specs for the moment too, when a pod or a container is prepared.
        found = [_capped(told) if told.code != match.row.code else told for told in found]
    return tuple(found)


def _capped(told: Conclusion) -> Conclusion:
    """Return a conclusion that is likely at most."""
    return told.replace(most=at_most(told.most or CERTAIN, LIKELY))


def _in_a_cluster(
    match: Match, here: Surroundings, function: Callable[[Match, Surroundings], list[Conclusion]]
) -> tuple[Conclusion, ...]:
    """Return what a pod's failure has to do with this host: nothing without a kubelet, else at most likely."""
    if not any(setting.engine == "kubelet" for setting in here.settings):
        return (Conclusion(match.row.code, (ELSEWHERE,), (NODE,)),)
    found = [told for told in function(match, here) if told.code != match.row.code]
    own = Conclusion(match.row.code, (f"what else is told is of this host: {MAYBE_HERE}",) if found else ())
    return (own, *(_capped(told.replace(seen=(MAYBE_HERE, *told.seen))) for told in found))


def _unresolvable(match: Match, here: Surroundings) -> list[Conclusion]:
    """Tell why a name does not resolve: no folder, no file, a refused spec, another name; or that it does, here."""
    if match.names and set(match.names) <= set(here.names):
        return [unresolved.resolves(match, here)]
    found = unresolved.specs(match, here)
    hardware = _hardware(here, _served(match.names))
    if not hardware:
        return found
    if hardware[0].code == "gpu.no-hardware":
        found = [(_capped(told) if told.code in IN_VAIN else told).replace(bare=True) for told in found]
    vain = [told for told in found if told.code in IN_VAIN]
    return [told for told in found if told not in vain] + hardware + vain


def _docker_cdi(_match: Match, here: Surroundings) -> list[Conclusion]:
    """Tell what the daemon's file says of CDI."""
    setting = next((setting for setting in here.settings if setting.engine == "docker"), None)
    if setting is None:
        return []
    if setting.invalid:
        path, why = setting.invalid[0]
        steps = (f"Mend {path}; dockerd does not start with a broken one",)
        return [Conclusion("cdi.off", (f"{path} is broken, so nothing in it counts: {why}",), steps)]
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
    steps = (rows_spec.RENUMBERED,) if match.row.code == "cdi.node-missing" and _is_stale(named, here) else ()
    return [Conclusion(match.row.code, (*seen, *running(here)), steps), *_hardware(here, ANY)]


def _is_stale(named: list[str], here: Surroundings) -> bool:
    """Whether a GPU's own node is missing beside other GPUs that are there: the spec is older than these."""
    gpus = {device.path for device in here.devices if device.role == "gpu" and device.path.startswith("/dev/nvidia")}
    gone = [path for path in named if path not in gpus]
    return bool(gpus) and any(path.removeprefix("/dev/nvidia").isdecimal() for path in gone)


def _driver(match: Match, here: Surroundings) -> list[Conclusion]:
    """Tell whether a driver runs on this host, and whether there is hardware for it."""
    return [Conclusion(match.row.code, running(here)), *_hardware(here, ANY)]


def _files(match: Match, here: Surroundings) -> list[Conclusion]:
    """Tell which files of specs the linter misses too; one that the text names is the cause."""
    stale = [fault for fault in here.faults if fault.code in ("cdi.mount-missing", "cdi.driver-version")]
    named = [fault for fault in stale if any(path in fault.message for path in match.paths)]
    code = "cdi.mount-missing" if named else match.row.code
    return [Conclusion(code, (*few([*named, *(fault for fault in stale if fault not in named)]), *running(here)))]


REFINEMENTS: dict[str, Callable[[Match, Surroundings], list[Conclusion]]] = {
    "unresolvable": _unresolvable,
    "docker-cdi": _docker_cdi,
    "node": _node,
    "driver": _driver,
    "files": _files,
}
"""What ``Row.refine`` may name."""


def _hardware(here: Surroundings, wanted: tuple[str, ...]) -> list[Conclusion]:
    """Return that a vendor's nodes are missing, or its hardware, where that is so; ``wanted`` may be none."""
    if not wanted or any(device.role == "gpu" and device.vendor in wanted for device in here.devices):
        return []
    cards = [card for card in here.cards if card.vendor in wanted]
    if cards:
        seen = f"on the PCI bus: {listed([f'{card.address} ({card.vendor})' for card in cards])}"
        return [Conclusion("gpu.nodes-missing", (seen, *running(here)))]
    return [Conclusion("gpu.no-hardware", ("no GPU device node, and no such GPU on the PCI bus",))]


def _served(names: Iterable[str]) -> tuple[str, ...]:
    """Return whose nodes the devices need; of names from elsewhere, nobody's. No name may be anybody's."""
    asked = vendors(names) or tuple(SERVES)
    return tuple(vendor for name in asked for vendor in SERVES.get(name, ()))
