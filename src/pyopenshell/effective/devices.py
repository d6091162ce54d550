"""The devices a sandbox was given, and what came with them besides paths: variables, groups, hooks that are not run.

Their device nodes and mounts are grants like all others. This is the rest of what a CDI spec asks for, so that nothing
of it is hidden, and nothing is dropped without a word.
"""

from __future__ import annotations

from pyopenshell.devices.select import VISIBLE
from pyopenshell.effective.model import Finding, Origin
from pyopenshell.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from pyopenshell.devices.cdi.model import Hook as CdiHook
    from pyopenshell.devices.choose import Chosen
    from pyopenshell.devices.edits import Merged, Whose
    from pyopenshell.devices.hooks import Effect
    from pyopenshell.devices.select import Choice, Selection

RESERVED = frozenset({"PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "CUDA_CACHE_PATH"})
"""Variables that are the runtime's own: they always fit the sandbox's identity and folders."""
MOST_GROUPS = 65536
"""NGROUPS_MAX (setgroups(2))."""
INVENTORY = Origin("baseline", "gpu")
NEEDED = ("/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools")
"""Control nodes without which cuInit fails (docs/gpu.md)."""


class Device(Record):
    """One device: its qualified name, or its place where no spec covers it; the GPUs that it is, with their UUIDs.

    ``nodes`` are its own device nodes, as the sandbox sees them.
    """

    name: str
    gpus: tuple[str, ...]
    uuids: tuple[str, ...]
    origin: Origin
    nodes: tuple[str, ...] = ()


class Variable(Record):
    """One variable that a device sets. ``status``: ``set``, or ``skipped``, then ``detail`` says why."""

    name: str
    value: str
    origin: Origin
    status: str = "set"
    detail: str | None = None


class Group(Record):
    """One group that a device asks for. ``status``: ``member`` or ``skipped``, then ``detail`` says why."""

    gid: int
    origin: Origin
    status: str = "member"
    detail: str | None = None


class Hook(Record):
    """One program that a container engine would run. Its status is always ``skipped``; ``detail`` says what follows."""

    stage: str
    path: str
    args: tuple[str, ...]
    origin: Origin
    status: str
    detail: str


class Devices(Record):
    """What was asked for (``--gpu 2``), what was given, and what came with it."""

    asked: str
    given: tuple[Device, ...] = ()
    env: tuple[Variable, ...] = ()
    groups: tuple[Group, ...] = ()
    hooks: tuple[Hook, ...] = ()

    @property
    def variables(self) -> dict[str, str]:
        """The variables for the workload."""
        return {one.name: one.value for one in self.env if one.status == "set"}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Devices:
        """Read the documented shape back."""

        def origin(entry: dict[str, Any]) -> dict[str, Any]:
            return {**entry, "origin": Origin(**entry["origin"])}

        return cls(
            data["asked"],
            tuple(
                Device(**{**origin(one), **{key: tuple(one[key]) for key in ("gpus", "uuids", "nodes")}})
                for one in data["given"]
            ),
            tuple(Variable(**origin(one)) for one in data["env"]),
            tuple(Group(**origin(one)) for one in data["groups"]),
            tuple(Hook(**{**origin(one), "args": tuple(one["args"])}) for one in data["hooks"]),
        )


def report(
    chosen: Chosen, groups: Iterable[int], can_join: Callable[[int], bool] | None, overridden: Iterable[str] = ()
) -> Devices:
    """Say what was given and what comes with it.

    ``groups`` are the identity's; ``can_join`` tells which others can be added to them, None where none can (as an
    ordinary user). ``overridden`` are variables that the caller sets.
    """
    selection, merged, member = chosen.selection, chosen.merged, frozenset(groups)
    return Devices(
        asked=_asked(selection),
        given=tuple(_device(choice) for choice in selection.choices),
        env=tuple(_variables(selection, merged, frozenset(overridden))),
        groups=tuple(
            _group(gid, cdi(whose), member, can_join, full=len(member) + place >= MOST_GROUPS)
            for place, (gid, whose) in enumerate(merged.groups)
        ),
        hooks=tuple(
            Hook(hook.name, hook.path, hook.args, cdi(whose), "skipped", _effect(hook).message)
            for hook, whose in merged.hooks
        ),
    )


def _effect(hook: CdiHook) -> Effect:
    """Say what follows from not running a hook; imported only where there is one."""
    from pyopenshell.devices.hooks import effect

    return effect(hook)


def cdi(whose: Whose) -> Origin:
    """Return the origin of an edit of a CDI spec."""
    return Origin("cdi", whose.name, whose.file, whose.line or None)


def _asked(selection: Selection) -> str:
    count = selection.count
    words = [] if count is None else [f"--gpu {'all' if count < 0 else count}"]
    return " ".join([*words, *(f"--device {choice.name}" for choice in selection.choices if choice.named)])


def _device(choice: Choice) -> Device:
    found = choice.found
    return Device(
        choice.name,
        tuple(unit.label for unit in choice.units),
        tuple(unit.uuid for unit in choice.units if unit.uuid),
        Origin("cdi", choice.name, found.spec.file, found.device.line or None) if found else INVENTORY,
        tuple(node.path for node in found.device.edits.device_nodes)
        if found
        else tuple(path for unit in choice.units for path in unit.nodes),
    )


def _variables(selection: Selection, merged: Merged, overridden: frozenset[str]) -> Iterator[Variable]:
    """Yield what the specs set, then what CUDA is told: that wins, as the set of GPUs is the runtime's choice."""
    texts = [(*text.partition("=")[::2], cdi(whose)) for text, whose in merged.env]
    texts += [] if selection.visible is None else [(VISIBLE, selection.visible, INVENTORY)]
    last = {name: place for place, (name, _value, _origin) in enumerate(texts)}
    for place, (name, value, origin) in enumerate(texts):
        why = None
        if name in RESERVED:
            why = "the sandbox's own value stands"
        elif name in overridden:
            why = "--env sets it"
        elif last[name] != place:
            why = f"{texts[last[name]][2]} sets it again"
        yield Variable(name, value, origin, "skipped" if why else "set", why)


def _group(
    gid: int, origin: Origin, member: frozenset[int], can_join: Callable[[int], bool] | None, *, full: bool
) -> Group:
    why = None
    if gid == 0:
        why = "a sandbox is never in root's group"
    elif gid not in member:
        if can_join is None:
            why = "only root can add a group, and you are not in it"
        elif not can_join(gid):
            why = "there is no such group id here"
        elif full:
            why = f"a process has no more than {MOST_GROUPS} groups"
    return Group(gid, origin, "skipped" if why else "member", why)


def findings(chosen: Chosen, devices: Devices) -> Iterator[Finding]:
    """Yield what an operator should know of what was not applied, and of what the specs leave out."""
    selection, merged = chosen.selection, chosen.merged
    for hook, whose in merged.hooks:
        missed = _effect(hook)
        if missed.matters:
            name = f"{_place(whose)}: the hook {hook.path} is not run"
            yield Finding("cdi.hook-not-run", "Medium", f"{name}: {missed.message}", missed.mend)
    for group in devices.groups:
        if group.status == "skipped":
            text = f"{group.origin} asks for the group {group.gid}: {group.detail}"
            hint = "usermod -aG GROUP YOU, then log in again" if "not in it" in (group.detail or "") else None
            yield Finding("cdi.group-skipped", "Medium", text, hint)
    for key, whose in merged.other:
        text = f"{_place(whose)}: {key} is about containers, and means nothing to a process sandbox"
        yield Finding("cdi.not-applied", "Low", text)
    if selection.others:
        others = ", ".join(unit.label for unit in selection.others)
        text = f"GPUs that were not asked for can be opened, because the policy says so: {others}"
        yield Finding("gpu.others-open", "High", text, "take their device nodes out of read_write")
    for path, why, mend in chosen.writable:
        text = f"{path} says what this sandbox is given, and others can change it: {why}"
        yield Finding("cdi.spec-writable", "High", text, mend)
    for note in selection.notes:
        yield Finding("gpu.narrowed", "Informational", note)
    # A GPU that no spec covers: one of those that are not used should have covered it.
    uncovered = any(choice.found is None for choice in selection.choices)
    for fault in chosen.faults[:3] if uncovered else ():
        where = f"{fault.file}:{fault.line}" if fault.line else fault.file
        text = f"a CDI spec is not used, and the table of device nodes is instead: {where}: {fault.message}"
        yield Finding("cdi.spec-refused", "Medium", text, f"{fault.mend}; 'openshell gpu lint' names every mistake")
    yield from _left_out(selection, merged)


def _left_out(selection: Selection, merged: Merged) -> Iterator[Finding]:
    """Report GPUs that no spec covers where there are specs, and control nodes that the specs in use do not name."""
    uncovered = [choice.name for choice in selection.choices if choice.found is None]
    if uncovered:
        text = f"no CDI spec covers {', '.join(uncovered)}: the inventory's own table of device nodes is used"
        yield Finding("gpu.no-spec", "Low", text, "nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml")
    files = {choice.found.spec.file for choice in selection.choices if choice.found and choice.units}
    if uncovered or not files or "nvidia" not in {unit.gpu.vendor for unit in selection.units}:
        return
    named = {path for one in merged.nodes for path in (one.node.path, one.node.host_path)}
    present = {device.path for device in selection.inventory.devices}
    missing = [path for path in NEEDED if path in present and path not in named]
    if missing:
        text = f"{', '.join(sorted(files))} names no {', '.join(missing)}, so it is not granted, and CUDA needs it"
        hint = "load the driver's modules, then: nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml"
        yield Finding("cdi.control-node-left-out", "High", text, hint)


def _place(whose: Whose) -> str:
    return f"{whose.file}:{whose.line}" if whose.line else whose.file
