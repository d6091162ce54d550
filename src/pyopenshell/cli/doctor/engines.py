"""Container engines. A sandbox needs none: what is told is whether containers here could be given GPUs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyopenshell.cli.doctor.codes import INFO, LOW, Check, check
from pyopenshell.devices import engines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pyopenshell.cli.doctor.roots import Roots
    from pyopenshell.devices.engines import Engine

NEEDLESS = "; a sandbox needs no engine"
CDI = {
    engines.ON: "CDI is on",
    engines.OFF: "CDI is off",
    engines.TOO_OLD: "no CDI",
    engines.UNKNOWN: "CDI is perhaps on",
}
MEND = {
    "docker": (
        'put "features": {"cdi": true} into /etc/docker/daemon.json, and start the daemon anew',
        ("sudo systemctl restart docker", "docker info"),
    ),
    "containerd": (
        "put enable_cdi = true into the CRI plugin's table of /etc/containerd/config.toml, and start it anew",
        ("sudo systemctl restart containerd",),
    ),
    "kubelet": (
        "put featureGates: {DevicePluginCDIDevices: true} into /var/lib/kubelet/config.yaml, and start it anew",
        ("sudo systemctl restart kubelet",),
    ),
}
"""What switches CDI on, for the engines that can be without."""


def checks(environ: Mapping[str, str], roots: Roots, *, gpu: bool) -> Iterator[Check]:
    """Check every engine that is installed. ``gpu``: this host has GPUs that CDI is about."""
    found = engines.find(environ, roots.root)
    if not found:
        yield check("engine.none", "engines", "none of " + ", ".join(row.name for row in engines.ROWS))
    for engine in found:
        yield _engine(engine, gpu=gpu)
        for path in engine.unreadable:
            hint = f"what {engine.name} is configured to is not known; root may read it"
            yield check("engine.config-unreadable", engine.name, f"{path} cannot be read", hint)
        for path, problem in engine.invalid:
            hint = f"{engine.name} will not start with it{NEEDLESS}"
            yield check("engine.config", engine.name, f"{path}: {problem}", hint)


def _engine(engine: Engine, *, gpu: bool) -> Check:
    row = next(row for row in engines.ROWS if row.name == engine.name)
    told = [f"{engine.version or 'version unknown'} ({engine.program})", f"{CDI[engine.cdi]} ({engine.why})"]
    if engine.name != "kubelet":
        told.append(f"NVIDIA's runtime is {'' if engine.runtime else 'not '}configured")
    told += [f"{path} {'open to this user' if may else 'closed to this user'}" for path, may in engine.sockets]
    seen = "; ".join(told)
    # With NVIDIA's own runtime containers get their GPUs without CDI.
    severity = LOW if gpu and not engine.runtime else INFO
    if engine.cdi == engines.TOO_OLD:
        hint = f"upgrade {engine.name} to {'.'.join(map(str, row.known))} or later, or use NVIDIA's runtime{NEEDLESS}"
        return check("engine.cdi-too-old", engine.name, seen, hint, (), severity=severity)
    if engine.cdi == engines.OFF:
        hint, steps = MEND[engine.name]
        return check("engine.cdi-off", engine.name, seen, hint + NEEDLESS, steps, severity=severity)
    return check("engine.ok", engine.name, seen)
