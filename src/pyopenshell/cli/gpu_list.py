"""``openshell gpu list``: the GPUs of this host, what opens them, what CDI calls them, and which are visible here."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from pyopenshell.cli import output
from pyopenshell.devices import inventory, nodes
from pyopenshell.devices.cdi import files, registry
from pyopenshell.devices.cdi.fault import ERROR
from pyopenshell.devices.numbers import Nodes
from pyopenshell.devices.visible import visible

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable
    from typing import Any

    from pyopenshell.devices.cdi.registry import Registry
    from pyopenshell.devices.gpu import Gpu, Inventory, Mig

SCHEMA = "pyopenshell.gpu-list/1"


def list_(arguments: argparse.Namespace) -> int:
    """Print the GPUs. Returns 0, also where there is none."""
    specs = registry.read(registry.folders(arguments.cdi_spec_dirs, os.environ))
    shape = document(inventory.read(), specs, os.environ)
    if arguments.output != "table":
        output.document(shape, arguments.output)
    else:
        from pyopenshell.cli import gpu_list_view

        gpu_list_view.show(shape)
    return 0


def document(found: Inventory, specs: Registry, environ: os._Environ[str]) -> dict[str, Any]:
    """Return all that is printed, as documented in docs/cli.md."""
    seen = visible(found.gpus, environ)
    left = {gpu.nodes: gpu for gpu in seen.gpus}
    names = _Names(specs)
    gpus = [_gpu(gpu, left.get(gpu.nodes), names) for gpu in found.gpus]
    held = {name for gpu in gpus for one in (gpu, *gpu["migs"]) for name in one["cdi"]}
    own = {path for gpu in found.gpus for path in (*gpu.nodes, *(path for mig in gpu.migs for path in mig.nodes))}
    return {
        "schema": SCHEMA,
        "gpus": gpus,
        "visible_by": list(seen.by),
        "nodes": [
            {**node(device.path), "role": device.role, "vendor": device.vendor, "reason": device.reason}
            for device in (*found.devices, *nodes.missing(found.devices))
            if device.path not in own
        ],
        "driver": found.driver,
        "source": found.source,
        "cdi": {
            "folders": [folder.path for folder in specs.folders],
            "unreadable": [folder.path for folder in specs.folders if folder.closed],
            "others": [name for name in specs.names() if name not in held],
            "errors": sum(fault.severity == ERROR and files.is_spec(fault.file or "") for fault in specs.faults),
        },
        "notes": [*found.notes, *seen.notes],
    }


def _gpu(gpu: Gpu, left: Gpu | None, names: _Names) -> dict[str, Any]:
    """Return a GPU; ``left`` is what the environment leaves of it.

    A CDI device that holds an instance is the instance's, though it needs the GPU's own node too.
    """
    split = {name for mig in gpu.migs for name in names.holding(mig.nodes, every=True)}
    return {
        "index": gpu.index,
        "vendor": gpu.vendor,
        "name": gpu.name,
        "uuid": gpu.uuid,
        "bus": gpu.bus,
        "minor": gpu.minor,
        "nodes": [node(path) for path in gpu.nodes],
        "visible": left is not None,
        "cdi": [name for name in names.holding(gpu.nodes) if name not in split],
        "migs": [_mig(mig, left, names) for mig in gpu.migs],
    }


def _mig(mig: Mig, left: Gpu | None, names: _Names) -> dict[str, Any]:
    return {
        "index": mig.index,
        "name": mig.name,
        "uuid": mig.uuid,
        "gpu_instance": mig.gpu_instance,
        "compute_instance": mig.compute_instance,
        "nodes": [node(path) for path in mig.nodes],
        "visible": left is not None and mig in left.migs,
        "cdi": names.holding(mig.nodes, every=True),
    }


def node(path: str) -> dict[str, Any]:
    """Return a device node with its mode and owner, and whether whoever asks may open it.

    Nothing is opened. access(2) asks file modes, access control lists and the device cgroup, as open(2) does. A
    capability is only ever read.
    """
    try:
        info = os.stat(path)
    except OSError:
        return {"path": path, "state": "missing", "mode": None, "owner": None, "group": None}
    wanted = os.R_OK if "/nvidia-caps" in path else os.R_OK | os.W_OK
    return {
        "path": path,
        "state": "ok" if os.access(path, wanted, effective_ids=True) else "denied",
        "mode": stat.filemode(info.st_mode),
        "owner": _name(info.st_uid, "pwd"),
        "group": _name(info.st_gid, "grp"),
    }


def _name(number: int, database: str) -> str:
    """Return the name of a user or group, its number where it has none."""
    import grp
    import pwd

    try:
        return pwd.getpwuid(number).pw_name if database == "pwd" else grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


class _Names:
    """Which CDI devices hold which device nodes of this host: the same device by number, whatever it is called."""

    def __init__(self, specs: Registry) -> None:
        self._nodes = Nodes()
        devices = specs.devices()
        self._held = {
            name: self._keys(node.host_path for node in devices[name].device.edits.device_nodes)
            for name in specs.names()
        }

    def _keys(self, paths: Iterable[str]) -> frozenset[object]:
        return frozenset(self._nodes.number(path) or path for path in paths)

    def holding(self, paths: tuple[str, ...], *, every: bool = False) -> list[str]:
        """Return the devices that hold one of these nodes, or all of them."""
        wanted = self._keys(paths)
        if every:
            return [name for name, held in self._held.items() if wanted and wanted <= held]
        return [name for name, held in self._held.items() if wanted & held]


VERBS = {"list": list_}
