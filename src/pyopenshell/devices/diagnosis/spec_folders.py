"""Which folders of CDI specs a container engine is set to, as its own files say. Nonsense in them says nothing."""

from __future__ import annotations

import json
import os
import stat
import tomllib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LIMIT = 1 << 20
"""Bytes of a configuration file; a larger one says nothing."""

Row = tuple[str, "Callable[[str], Any]", tuple[tuple[str, ...], ...]]

ROWS: dict[str, Row] = {
    "docker": ("/etc/docker/daemon.json", json.loads, (("cdi-spec-dirs",),)),
    "containerd": (
        "/etc/containerd/config.toml",
        tomllib.loads,
        tuple(
            ("plugins", plugin, "cdi_spec_dirs")
            for plugin in ("io.containerd.cri.v1.runtime", "io.containerd.grpc.v1.cri")
        ),
    ),
    "podman": ("/etc/containers/containers.conf", tomllib.loads, (("engine", "cdi_spec_dirs"),)),
    "cri-o": ("/etc/crio/crio.conf", tomllib.loads, (("crio", "runtime", "cdi_spec_dirs"),)),
}
"""Engine: its file, how to parse that, and the keys that may hold the folders (dockerd(8), containerd's docs/cri,
containers.conf(5), crio.conf(5))."""


def read(engine: str, environ: Mapping[str, str], root: str = "") -> tuple[str, ...]:
    """Return the folders, none where nothing is set. A user's own daemon.json stands for root's."""
    if engine not in ROWS:
        return ()
    path, parse, places = ROWS[engine]
    own = f"{environ.get('HOME', '')}/.config/docker/daemon.json"
    candidates = [own, path] if engine == "docker" and own.startswith("/") and os.geteuid() != 0 else [path]
    for candidate in candidates:
        document = _load(root + candidate, parse)
        for keys in places:
            found = document
            for key in keys:
                found = found.get(key) if isinstance(found, dict) else None
            if isinstance(found, list) and found:
                return tuple(folder for folder in found if isinstance(folder, str))
    return ()


def _load(path: str, parse: Callable[[str], Any]) -> Any:
    """Return what a file holds, None where it cannot be had or understood."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:
        return None
    with open(fd, "rb") as file:
        try:
            data = file.read(LIMIT + 1) if stat.S_ISREG(os.fstat(fd).st_mode) else b""
            return parse(data.decode()) if len(data) <= LIMIT else None
        except (OSError, ValueError, RecursionError):
            return None
