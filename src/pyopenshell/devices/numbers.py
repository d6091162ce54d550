"""Which device is behind a path (makedev(3)), and whether it is the one that a CDI spec means."""

from __future__ import annotations

import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyopenshell.devices.cdi.model import DeviceNode

KINDS = {"c": "c", "u": "c", "b": "b"}
"""The types of a spec's device nodes, as the host has them; ``p`` is a FIFO and no device."""
WORDS = {"c": "character", "b": "block"}


class Nodes:
    """Devices by path. Each path is asked about once: a spec can name thousands."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, int] | None] = {}

    def number(self, path: str) -> tuple[str, int] | None:
        """Return ``c`` or ``b`` and the device's number, None where there is no device."""
        if path not in self._known:
            self._known[path] = _look(path)
        return self._known[path]

    def numbers(self, paths: Iterable[str]) -> frozenset[tuple[str, int]]:
        """Return those of every path that is a device."""
        return frozenset(number for path in paths if (number := self.number(path)))

    def problem(self, node: DeviceNode) -> str | None:
        """Say what is otherwise on this host than the spec says, None where nothing is.

        What is missing is no problem here: whoever opens it finds out.
        """
        there = self.number(node.host_path)
        if there is None and not os.path.lexists(node.host_path):
            return None
        if node.type == "p":
            return None if _is_fifo(node.host_path) else f"{node.host_path} is no FIFO"
        if there is None:
            return f"{node.host_path} is no device node"
        kind, number = there
        if node.type and KINDS.get(node.type, node.type) != kind:
            return f"{node.host_path} is a {WORDS[kind]} device, and the spec says otherwise"
        spec, host = (node.major, node.minor), (os.major(number), os.minor(number))
        if any(wanted is not None and wanted != has for wanted, has in zip(spec, host, strict=True)):
            said = ":".join("any" if part is None else str(part) for part in spec)
            return f"{node.host_path} is device {host[0]}:{host[1]} here, and the spec means {said}"
        return None


def _is_fifo(path: str) -> bool:
    try:
        return stat.S_ISFIFO(os.stat(path).st_mode)
    except OSError:
        return False


def _look(path: str) -> tuple[str, int] | None:
    try:
        info = os.stat(path)
    except (OSError, ValueError):
        return None
    kind = "c" if stat.S_ISCHR(info.st_mode) else "b" if stat.S_ISBLK(info.st_mode) else ""
    return (kind, info.st_rdev) if kind else None
