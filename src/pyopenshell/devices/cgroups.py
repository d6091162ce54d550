"""Control groups: which version, where this process is, and which limits it could set beneath itself (cgroups(7))."""

from __future__ import annotations

import os

from pyopenshell.record import Record

LIMITS = ("cpu", "memory", "pids")
"""The controllers that limit processors, memory and processes."""
UNLIMITED = "a *:* rwm"
"""The device rule of version 1 that allows everything (Documentation/admin-guide/cgroup-v1/devices.rst)."""


class Cgroups(Record):
    """What there is. ``version``: ``v2``, ``v1``, ``hybrid`` (both, controllers on v1) or ``none``.

    ``path`` is this process's cgroup (of v2, else of the first controller); ``controllers`` are those of ``LIMITS``
    that there are for it; ``writable`` those that this user could hand on to a cgroup of its own. ``mounted_read_only``
    says that nobody here could. ``device_rules`` are version 1's; None where they cannot be seen, as in version 2.
    """

    version: str
    path: str | None = None
    controllers: tuple[str, ...] = ()
    writable: tuple[str, ...] = ()
    mounted_read_only: bool = False
    device_rules: tuple[str, ...] | None = None


class Hierarchy(Record):
    """Where a controller is had: ``version`` 1 or 2, the folders of this process's ``own`` cgroup and the ``root``."""

    version: int
    own: str
    root: str


class _Mount(Record):
    point: str
    root: str
    kind: str
    options: tuple[str, ...]
    read_only: bool


def read(proc_root: str = "/proc") -> Cgroups:
    """Return what this process is in. What cannot be read counts as not there."""
    mounts = _mounts(_text(f"{proc_root}/self/mountinfo"))
    own = _memberships(_text(f"{proc_root}/self/cgroup"))
    unified = next((mount for mount in mounts if mount.kind == "cgroup2"), None)
    old = {
        name: (mount, own[name])
        for name in (*LIMITS, "devices")
        for mount in mounts
        if mount.kind == "cgroup" and name in mount.options and name in own
    }
    if any(name in old for name in LIMITS):
        return _version_1(old, "hybrid" if unified else "v1")
    if unified is None or "" not in own:
        return Cgroups("none")
    folder = _folder(unified, own[""])
    there = _text(f"{folder}/cgroup.controllers").split()
    controllers = tuple(name for name in LIMITS if name in there)
    can = not unified.read_only and _writable(folder, f"{folder}/cgroup.procs", f"{folder}/cgroup.subtree_control")
    return Cgroups("v2", own[""], controllers, controllers if can else (), unified.read_only)


def hierarchies(proc_root: str = "/proc") -> dict[str, Hierarchy]:
    """Return, by controller, where this process has it: version 1's where it is there, else version 2's.

    Those of ``LIMITS`` and ``cpuacct``, which is version 1's alone; a hybrid has some of both.
    """
    mounts = _mounts(_text(f"{proc_root}/self/mountinfo"))
    own = _memberships(_text(f"{proc_root}/self/cgroup"))
    found = {
        name: Hierarchy(1, _folder(mount, own[name]), mount.point)
        for name in (*LIMITS, "cpuacct")
        for mount in mounts
        if mount.kind == "cgroup" and name in mount.options and name in own
    }
    unified = next((mount for mount in mounts if mount.kind == "cgroup2"), None)
    if unified and "" in own:
        folder = _folder(unified, own[""])
        there = _text(f"{unified.point}/cgroup.controllers").split()
        found |= {name: Hierarchy(2, folder, unified.point) for name in LIMITS if name in there and name not in found}
    return found


def _version_1(old: dict[str, tuple[_Mount, str]], version: str) -> Cgroups:
    """Return what the hierarchies of version 1 say, each of which has its own cgroup for this process."""
    controllers = tuple(name for name in LIMITS if name in old)
    folders = {name: _folder(*old[name]) for name in old}
    writable = tuple(
        name
        for name in controllers
        if not old[name][0].read_only and _writable(folders[name], f"{folders[name]}/cgroup.procs")
    )
    rules = None
    if "devices" in folders:
        lines = _text(f"{folders['devices']}/devices.list").splitlines()
        rules = tuple(line.strip() for line in lines if line.strip()) or None
    read_only = all(old[name][0].read_only for name in controllers)
    return Cgroups(version, old[controllers[0]][1], controllers, writable, read_only, rules)


def _mounts(text: str) -> list[_Mount]:
    """Return the cgroup file systems of mountinfo (proc_pid_mountinfo(5)): optional fields end with a hyphen."""
    found = []
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        fields, behind = before.split(), after.split()
        if len(fields) >= 6 and len(behind) >= 3 and behind[0] in ("cgroup", "cgroup2"):
            options = (*fields[5].split(","), *behind[2].split(","))
            point, root = _unescaped(fields[4]), _unescaped(fields[3])
            found.append(_Mount(point, root, behind[0], tuple(behind[2].split(",")), "ro" in options))
    return found


def _unescaped(text: str) -> str:
    """Return a field without mountinfo's octal escapes."""
    for character in " \t\n\\":
        text = text.replace(f"\\{ord(character):03o}", character)
    return text


def _memberships(text: str) -> dict[str, str]:
    """Return this process's cgroup by controller; version 2's under the empty name."""
    own = {}
    for line in text.splitlines():
        _, _, rest = line.partition(":")
        names, _, path = rest.partition(":")
        for name in names.split(","):
            own[name] = path
    return own


def _folder(mount: _Mount, path: str) -> str:
    """Return where a cgroup is seen. A container may see a part of the hierarchy as the whole."""
    inside = path.removeprefix(mount.root) if mount.root != "/" else path
    folder = f"{mount.point}/{inside.strip('/')}".rstrip("/")
    return folder if os.path.isdir(folder) else mount.point


def _writable(*paths: str) -> bool:
    return all(os.access(path, os.W_OK, effective_ids=True) for path in paths)


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(1 << 20)
    except OSError:
        return ""
