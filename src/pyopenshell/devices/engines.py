"""Container engines of this host: version, whether CDI is on, whether NVIDIA's runtime is known, who may reach them.

Nothing is started and no daemon is asked: programs tell their version, files tell the rest. A socket is only looked
at, because to connect can start the daemon behind it (systemd.socket(5)).
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from pyopenshell.devices import engine_config, engine_version
from pyopenshell.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pyopenshell.devices.engine_config import Settings

ON, OFF, TOO_OLD, UNKNOWN = "on", "off", "too old", "unknown"
"""What CDI is in an engine."""
NVIDIA = "nvidia"
"""The name that NVIDIA's toolkit gives its runtime in an engine's configuration."""


class Row(Record):
    """What is known about one engine.

    ``programs`` tell the version, the first that is there. CDI is there from version ``known`` and on by default from
    ``default``. ``sockets`` and ``files`` are paths; ``~`` is the user's home, ``$`` its runtime folder.
    """

    name: str
    programs: tuple[str, ...]
    known: tuple[int, ...]
    default: tuple[int, ...]
    sockets: tuple[str, ...]
    source: str


ROWS: tuple[Row, ...] = (
    Row(
        "podman",
        ("podman",),
        (4, 1),
        (4, 1),
        ("$/podman/podman.sock", "/run/podman/podman.sock"),
        "podman's release notes 4.1.0",
    ),
    Row(
        "docker",
        ("dockerd", "docker"),
        (25,),
        (28, 2),
        ("$/docker.sock", "/run/docker.sock", "/var/run/docker.sock"),
        "Docker Engine's release notes 25.0.0 (features.cdi), 28.2.0 (on by default)",
    ),
    Row(
        "containerd",
        ("containerd",),
        (1, 7),
        (2, 0),
        ("/run/containerd/containerd.sock", "/run/k3s/containerd/containerd.sock"),
        "containerd's release notes 1.7.0 (enable_cdi), 2.0.0 (on by default)",
    ),
    Row("cri-o", ("crio",), (1, 23), (1, 23), ("/run/crio/crio.sock",), "CRI-O's release notes 1.23.0"),
    Row("kubelet", ("kubelet",), (1, 28), (1, 29), (), "Kubernetes' feature gates: DevicePluginCDIDevices"),
)
"""The engines that are looked for. A kubelet hands CDI names on from device plugins to its engine."""


class Engine(Record):
    """One engine that is here.

    ``version`` is None where it did not tell. ``cdi`` is one of the words above, ``why`` what says so. ``runtime`` says
    that NVIDIA's runtime is configured. ``sockets`` are those that exist, with whether this user may speak to them.
    ``unreadable`` and ``invalid`` are configuration files, the latter with what is wrong.
    """

    name: str
    program: str
    version: str | None
    cdi: str
    why: str
    runtime: bool = False
    sockets: tuple[tuple[str, bool], ...] = ()
    unreadable: tuple[str, ...] = ()
    invalid: tuple[tuple[str, str], ...] = ()


def find(
    environ: Mapping[str, str],
    root: str = "",
    ask: Callable[[Sequence[str]], Mapping[str, str]] = engine_version.ask,
) -> tuple[Engine, ...]:
    """Return the engines that are installed. ``root`` stands before every path; ``ask`` runs programs.

    ``ask`` gets paths of programs and returns what each printed when it was asked for its version.
    """
    installed = [(row, found) for row in ROWS if (found := _programs(row, environ.get("PATH", ""), root))]
    answers = ask([path for _, paths in installed for path in paths])
    engines = []
    for row, paths in installed:
        # podman-docker's program of the name docker is podman, and says so.
        told = [(path, text) for path in paths if not _is_other(row, text := answers.get(path, ""))]
        if told:
            path, text = next((one for one in told if one[1]), told[0])
            engines.append(_engine(row, path.removeprefix(root), engine_version.parsed(text), environ, root))
    return tuple(engines)


def _is_other(row: Row, text: str) -> bool:
    return row.name == "docker" and "podman" in text.lower()


def _engine(row: Row, program: str, version: str | None, environ: Mapping[str, str], root: str) -> Engine:
    settings = engine_config.read(row.name, environ, root)
    cdi, why = state(row, version, settings)
    return Engine(
        row.name,
        program,
        version,
        cdi,
        why,
        NVIDIA in settings.runtimes,
        _sockets(row, environ, root),
        settings.unreadable,
        settings.invalid,
    )


def state(row: Row, version: str | None, settings: Settings) -> tuple[str, str]:
    """Return what CDI is in an engine of this version and configuration, and what says so (pure)."""
    known, default = (".".join(map(str, number)) for number in (row.known, row.default))
    if version is None:
        return UNKNOWN, "its version is not known"
    number = engine_version.numbers(version)
    if number < row.known:
        return TOO_OLD, f"it came with {known}"
    if row.known == row.default:
        return ON, f"always, from {known}"
    if settings.cdi is not None:
        return (ON if settings.cdi else OFF), settings.said
    if settings.unreadable or settings.invalid:
        return UNKNOWN, "its configuration cannot be read"
    return (ON if number >= row.default else OFF), f"by default from {default}"


def _programs(row: Row, path: str, root: str) -> list[str]:
    """Return the engine's programs: of each name the first on ``PATH`` or in the usual places."""
    found = []
    for name in row.programs:
        folders = [*path.split(":"), *engine_version.PLACES]
        candidates = (f"{root}{folder}/{name}" for folder in folders if folder.startswith("/"))
        chosen = next((place for place in candidates if os.path.isfile(place) and os.access(place, os.X_OK)), None)
        if chosen:
            found.append(chosen)
    return found


def _sockets(row: Row, environ: Mapping[str, str], root: str) -> tuple[tuple[str, bool], ...]:
    """Return the sockets that exist, each file once, and whether their modes let this user connect."""
    found: dict[tuple[int, int], tuple[str, bool]] = {}
    for path in row.sockets:
        place = path.replace("$", environ.get("XDG_RUNTIME_DIR", ""), 1) if path.startswith("$") else path
        if not place.startswith("/") or (path.startswith("$") and not environ.get("XDG_RUNTIME_DIR")):
            continue
        try:
            status = os.stat(root + place)
        except OSError:
            continue
        if stat.S_ISSOCK(status.st_mode):
            may = os.access(root + place, os.W_OK, effective_ids=True)
            found.setdefault((status.st_dev, status.st_ino), (place, may))
    return tuple(found.values())
