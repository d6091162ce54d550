"""Hosts with GPUs, as far as a test can make one: device nodes of a driver's names, and CDI specs.

The nodes have the numbers of devices that every host has, so that they can really be opened. Only root can make them; a
spec can name any path of the host, so an ordinary user's sandboxes are tested with nodes in a folder of the test's own.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from tests.confined.launch import world

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

ZERO = os.makedev(1, 5)
MEMORY = (3, 5, 7)
"""The minor numbers of /dev/null, /dev/zero and /dev/full: three drivers that open, and have no ioctls (mem(4))."""
CONTROL = ("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-modeset")
KIND = "nvidia.com/gpu"


def nodes(folder: Path, *names: str) -> Path:
    """Make nodes of these names in ``dev`` beneath the folder, for anybody to open; return that."""
    world.needs_root()
    place = folder / "dev"
    place.mkdir(exist_ok=True)
    for name in names:
        os.mknod(place / name, 0o020666, ZERO)
        os.chmod(place / name, 0o666)
    return place


def node(path: object, host: object = None, permissions: str | None = None, **more: Any) -> dict[str, Any]:
    """Return a device node as specs write it."""
    given = {"path": str(path)}
    given |= {"hostPath": str(host)} if host else {}
    return given | ({"permissions": permissions} if permissions is not None else {}) | more


def mount(host: object, at: object, *options: str) -> dict[str, Any]:
    """Return a mount as specs write it."""
    return {"hostPath": str(host), "containerPath": str(at), "options": [*options]}


def spec(folder: Path, devices: dict[str, Any], common: dict[str, Any] | None = None, **more: Any) -> Path:
    """Write a spec of these devices, a name and its edits each, and return its folder."""
    place = folder / "cdi"
    place.mkdir(exist_ok=True)
    content = {
        "cdiVersion": "0.7.0",
        "kind": KIND,
        "devices": [{"name": name, "containerEdits": edits} for name, edits in devices.items()],
        **({"containerEdits": common} if common else {}),
        **more,
    }
    (place / "nvidia.json").write_text(json.dumps(content, indent=1))
    return place


def gpus(count: int, *, gpus_of: Iterable[tuple[str, tuple[int, ...]]] = ()) -> dict[str, Any]:
    """Return the devices that nvidia-ctk names for so many GPUs: each by its index, and all."""
    every = [(str(index), (index,)) for index in range(count)] + [("all", tuple(range(count))), *gpus_of]
    return {name: {"deviceNodes": [node(f"/dev/nvidia{index}") for index in held]} for name, held in every}


def named(name: object) -> str:
    """Return the qualified name of a device of these specs."""
    return f"{KIND}={name}"


OPENS = """
import fcntl
answer = {}
for path, flags in given["paths"]:
    try:
        fd = os.open(path, flags)
    except OSError as error:
        answer[f"{path} {flags}"] = errno.errorcode[error.errno]
        continue
    try:
        fcntl.ioctl(fd, 0x5401, b"\\0" * 64)
        told = "ok"
    except OSError as error:
        told = errno.errorcode[error.errno]
    os.close(fd)
    answer[f"{path} {flags}"] = f"opened, ioctl {told}"
"""
"""Code for ``Sandbox.ask``: open paths with flags, and try an ioctl that the driver of /dev/zero does not have."""


def opened(
    sandbox: world.Sandbox,
    paths: Iterable[str],
    *options: object,
    policy: dict[str, Any] | None = None,
    **settings: Any,
) -> dict[str, str]:
    """Return what becomes of opening these for reading and writing in a sandbox."""
    asked = [(path, os.O_RDWR) for path in paths]
    found = sandbox.ask(OPENS, "-q", *options, policy=policy, options=settings, paths=asked)
    return {path.rpartition(" ")[0]: told for path, told in found.items()}
