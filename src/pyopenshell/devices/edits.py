"""What the chosen CDI devices change, gathered: the edits of each and those of its spec, once."""

from __future__ import annotations

import os
import stat

from pyopenshell.devices.numbers import Nodes
from pyopenshell.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from pyopenshell.devices.cdi.model import DeviceNode, Edits, Hook, Mount
    from pyopenshell.devices.select import Choice


class Whose(Record):
    """Where an edit stands: the qualified name of the device that brings it, the spec's file and the line."""

    name: str
    file: str
    line: int = 0


class Node(Record):
    """A device node to grant. ``problem`` says why it is not the device that the spec means, None where it is."""

    node: DeviceNode
    whose: Whose
    problem: str | None = None


class Shown(Record):
    """A mount to show. ``is_socket``: what the host has there is a Unix socket."""

    mount: Mount
    whose: Whose
    is_socket: bool = False


class Merged(Record):
    """Everything the chosen devices change, with where each stands. ``other`` names what no sandbox applies."""

    nodes: tuple[Node, ...] = ()
    mounts: tuple[Shown, ...] = ()
    hooks: tuple[tuple[Hook, Whose], ...] = ()
    env: tuple[tuple[str, Whose], ...] = ()
    groups: tuple[tuple[int, Whose], ...] = ()
    other: tuple[tuple[str, Whose], ...] = ()


def merged(choices: Iterable[Choice]) -> Merged:
    """Gather the edits of the choices that a spec covers. What several devices of a spec share is taken once.

    Looks at the devices behind the nodes: a number in a spec that is not the device's own is told.
    """
    parts = [
        (edits, Whose(choice.found.name, choice.found.spec.file))
        for choice in choices
        if choice.found
        for edits in (choice.found.spec.edits, choice.found.device.edits)
    ]
    devices = Nodes()
    return Merged(
        nodes=tuple(Node(node, whose, devices.problem(node)) for node, whose in _once(parts, _nodes)),
        mounts=tuple(
            Shown(mount, whose, _is_socket(mount.host_path))
            for mount, whose in _once(parts, lambda edits: edits.mounts)
        ),
        hooks=_once(parts, lambda edits: edits.hooks),
        env=_once(parts, lambda edits: edits.env),
        groups=_once(parts, lambda edits: edits.groups),
        other=_once(parts, lambda edits: edits.other),
    )


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except (OSError, ValueError):
        return False


def _nodes(edits: Edits) -> tuple[DeviceNode, ...]:
    return edits.device_nodes


def _once(parts: list[tuple[Edits, Whose]], take: Callable[[Edits], tuple[Any, ...]]) -> tuple[tuple[Any, Whose], ...]:
    """Return each edit with the first device that brings it; its line is where it stands first."""
    result: dict[tuple[str, Any], tuple[Any, Whose]] = {}
    for edits, whose in parts:
        for edit in take(edits):
            has_line = hasattr(edit, "line")
            key = whose.file, edit.replace(line=0) if has_line else edit
            result.setdefault(key, (edit, whose.replace(line=edit.line if has_line else edits.line)))
    return tuple(result.values())
