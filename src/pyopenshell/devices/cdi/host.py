"""A spec against this host: device nodes, mounts and hooks that went stale, the driver's version, GPUs in no spec.

Engines find these only when a container starts, and some only inside of it. What may not be looked at is not judged.
"""

from __future__ import annotations

import errno
import os
import stat

from pyopenshell.devices.cdi import names
from pyopenshell.devices.cdi.codes import AGAIN, STDIN
from pyopenshell.devices.cdi.values import is_bind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pyopenshell.devices.cdi.document import Note
    from pyopenshell.devices.cdi.model import DeviceNode, Edits, Hook, Spec
    from pyopenshell.devices.host import Device

LOADERS = {
    "/dev/nvidia-uvm": "nvidia-modprobe -c 0 -u",
    "/dev/nvidia-uvm-tools": "nvidia-modprobe -c 0 -u",
    "/dev/nvidia-modeset": "nvidia-modprobe -m",
    "/dev/nvidiactl": "nvidia-modprobe",
}
"""What makes a control node: it loads the module and asks for the node (nvidia-modprobe(1))."""
GENERATORS = {
    "nvidia": AGAIN,
    "wsl": "generate the spec again: nvidia-ctk cdi generate --mode=wsl --output=/etc/cdi/nvidia.yaml",
    "tegra": "generate the spec again: nvidia-ctk cdi generate --mode=csv --output=/etc/cdi/nvidia.yaml",
    "amd": "generate the spec again: amd-ctk cdi generate --output=/etc/cdi/amd.json",
}
"""What writes the spec of a vendor's GPUs."""
TOOLS = {"nvidia.com": "nvidia-ctk cdi generate", "amd.com": "amd-ctk cdi generate"}
"""What writes a vendor's specs."""
VERSIONED = ("libcuda.so.", "libnvidia-ml.so.")
"""Libraries whose file names end in the version of the driver they belong to."""
VERSION_ARGUMENT = "--host-driver-version="
"""An argument of NVIDIA's hooks that names it too."""
FIRST_MAJOR = 100
"""Smaller major numbers are those of interfaces, as in ``libcuda.so.1.1``."""

_IS_TYPE = {"c": stat.S_ISCHR, "u": stat.S_ISCHR, "b": stat.S_ISBLK, "p": stat.S_ISFIFO}
_TYPES = {"c": "a character device", "u": "a character device", "b": "a block device", "p": "a FIFO"}


def check(spec: Spec, driver: str | None, note: Note) -> None:
    """Note what a spec names and this host does not have. ``driver`` is the version that runs, None if unknown.

    A path that several devices name is judged once, where it stands first.
    """
    again = _again(spec)
    seen: set[object] = set()
    for edits in _edits(spec):
        for node in edits.device_nodes:
            key = (node.host_path, node.type, node.major, node.minor)
            if key not in seen:
                seen.add(key)
                _node(node, again, note)
        for mount in edits.mounts:
            if mount.host_path not in seen and is_bind(mount.type, mount.options):
                seen.add(mount.host_path)
                if _missing(mount.host_path):
                    note("mount-missing", f"{mount.host_path} is to be mounted and is not here", again, mount.line)
        for hook in edits.hooks:
            if (hook.path, "hook") not in seen:
                seen.add((hook.path, "hook"))
                _hook(hook, again, note)
    if driver:
        _driver(spec, driver, again, note)


def uncovered(specs: Iterable[Spec], devices: Iterable[Device], note: Note) -> None:
    """Note the nodes of this host's GPUs, and those that all GPUs need, that no spec names."""
    named = {node.host_path for spec in specs for edits in _edits(spec) for node in edits.device_nodes}
    left: dict[str, list[str]] = {}
    for device in devices:
        if device.role in ("gpu", "control") and device.path not in named:
            left.setdefault(device.vendor, []).append(device.path)
    for vendor, paths in left.items():
        verb = "is" if len(paths) == 1 else "are"
        note("uncovered", f"{names.listed(paths)} {verb} here and in no spec", GENERATORS.get(vendor))


def _edits(spec: Spec) -> Iterator[Edits]:
    yield spec.edits
    for device in spec.devices:
        yield device.edits


def _again(spec: Spec) -> str:
    """Return how this spec is written again: by its vendor's tool, into the same file."""
    tool = TOOLS.get(spec.kind.partition("/")[0])
    if tool is None:
        return "write the spec again, with the tool that wrote it"
    return f"generate the spec again: {tool}" + ("" if spec.file == STDIN else f" --output={names.quoted(spec.file)}")


def _missing(path: str) -> bool:
    """Whether nothing is at ``path``: not whether this user may see it."""
    try:
        os.stat(path)
    except OSError as error:
        return error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
    return False


def _node(node: DeviceNode, again: str, note: Note) -> None:
    """Note what is wrong with a device node. Engines do not follow links where they must ask for its numbers."""
    path = node.host_path
    told = bool(node.type and (node.major is not None or node.type == "p"))
    try:
        status = os.stat(path, follow_symlinks=told)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            loader = LOADERS.get(path)
            first = f"make it: {loader}, or" if loader else "load the driver's module, or"
            note("node-missing", f"device node {path} is not here", f"{first} {again}", node.line)
        return
    mode = status.st_mode
    if stat.S_ISLNK(mode):
        real = os.path.realpath(path)
        note("node-type", f"{path} is a link, which engines do not follow", f"write hostPath: {real}", node.line)
    elif not any(is_type(mode) for is_type in _IS_TYPE.values()):
        note("node-type", f"{path} is no device node", again, node.line)
    elif node.type and not _IS_TYPE[node.type](mode):
        note("node-type", f"{path} is not {_TYPES[node.type]}, as the spec says", again, node.line)
    elif node.major is not None and node.type != "p":
        here = (os.major(status.st_rdev), os.minor(status.st_rdev))
        if here != (node.major, node.minor):
            message = f"{path} is {here[0]}:{here[1]}, and the spec says {node.major}:{node.minor}"
            note("node-number", message, again, node.line)


def _hook(hook: Hook, again: str, note: Note) -> None:
    """Note a hook's program that is missing or that nobody can execute."""
    try:
        mode = os.stat(hook.path).st_mode
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            note("hook-missing", f"hook {hook.path} is not here", f"install it, or {again}", hook.line)
        return
    if not stat.S_ISREG(mode):
        note("hook-not-executable", f"hook {hook.path} is no file", again, hook.line)
    elif not mode & 0o111:
        note(
            "hook-not-executable",
            f"hook {hook.path} cannot be executed",
            f"chmod a+rx {names.quoted(hook.path)}",
            hook.line,
        )


def _driver(spec: Spec, driver: str, again: str, note: Note) -> None:
    """Note the versions of the driver that the spec is for, where another one runs."""
    seen = {driver}
    for version, line in _versions(spec):
        if version not in seen:
            seen.add(version)
            message = f"the spec is for driver {version}, and {driver} runs"
            note("driver-version", message, f"reboot if the driver was just upgraded, else {again}", line)


def _versions(spec: Spec) -> Iterator[tuple[str, int]]:
    """Yield the versions of the driver that a spec names, with their lines."""
    for edits in _edits(spec):
        for mount in edits.mounts:
            name = mount.host_path.rpartition("/")[2]
            for library in VERSIONED:
                if name.startswith(library) and _is_version(name[len(library) :]):
                    yield name[len(library) :], mount.line
        for hook in edits.hooks:
            for argument in hook.args:
                if argument.startswith(VERSION_ARGUMENT) and _is_version(argument[len(VERSION_ARGUMENT) :]):
                    yield argument[len(VERSION_ARGUMENT) :], hook.line


def _is_version(text: str) -> bool:
    """Whether this is a driver's version: numbers with dots between, the first a driver's."""
    parts = text.split(".")
    numbers = all(part.isascii() and part.isdigit() and len(part) < 10 for part in parts)
    return numbers and len(parts) > 1 and int(parts[0]) >= FIRST_MAJOR
