"""A CDI spec as frozen values, with the line each part stands on (from 1; 0 where it is not known)."""

from __future__ import annotations

from pyopenshell.record import Record


class DeviceNode(Record):
    """A device node: ``path`` in the container, ``host_path`` on the host (the same where the spec names none).

    ``permissions`` holds letters of ``rwm``, all three where the spec names none. ``type`` is ``c``, ``b``, ``u`` or
    ``p``, empty where the spec leaves it to the host; ``major`` and ``minor`` are None where it does.
    """

    path: str
    host_path: str
    permissions: str = "rwm"
    type: str = ""
    major: int | None = None
    minor: int | None = None
    line: int = 0


class Mount(Record):
    """A mount: ``host_path`` on the host is seen at ``container_path``, with mount(8)'s ``options``.

    ``type`` is empty for a bind mount.
    """

    host_path: str
    container_path: str
    options: tuple[str, ...] = ()
    type: str = ""
    line: int = 0


class Hook(Record):
    """A program that a container engine runs at the stage ``name``; ``args`` begin with the program's own name."""

    name: str
    path: str
    args: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    timeout: int | None = None
    line: int = 0


class Edits(Record):
    """What one device, or all devices of a spec, do to a container. ``env`` holds ``KEY=VALUE``, ``groups`` gids.

    ``other`` names further keys that are present and mean nothing to a process sandbox (``intelRdt``, ``netDevices``).
    """

    env: tuple[str, ...] = ()
    device_nodes: tuple[DeviceNode, ...] = ()
    mounts: tuple[Mount, ...] = ()
    hooks: tuple[Hook, ...] = ()
    groups: tuple[int, ...] = ()
    other: tuple[str, ...] = ()
    line: int = 0


class CdiDevice(Record):
    """A device of a spec: its unqualified name and its own edits."""

    name: str
    edits: Edits
    line: int = 0


class Spec(Record):
    """One spec file. ``kind`` is ``vendor/class``; ``edits`` belong to every device; ``priority`` is its folder's."""

    file: str
    version: str
    kind: str
    devices: tuple[CdiDevice, ...]
    edits: Edits = Edits()
    priority: int = 0
