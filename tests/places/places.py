"""The places that docs/support.md tells of: containers by their engines' defaults, and what options change."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.confined.launch import world
from tests.places.engines import ENGINES, SOURCES, USER, Missing

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA = "pyopenshell.places/1"
AS_USER = f"--user={USER}"
MEASURE = Path(__file__).with_name("measure.py")
SIMULATED = "simulated"


class Place:
    """Where the command runs: an engine's container, with its options, or a filter that stands for a restriction."""

    def __init__(self, name: str, title: str, engine: str, *options: str) -> None:
        self.name = name
        self.title = title
        self.engine = engine
        self.options = options


# Docker's filter denies unshare(2) to whoever lacks CAP_SYS_ADMIN. Podman's does not, and a user gets namespaces; but
# who has a masked /proc may not mount a whole one.
CONTAINERS = (
    Place("docker-root", "Docker's defaults, as root", "docker"),
    Place("docker-user", "Docker's defaults, as a user", "docker", AS_USER),
    Place(
        *("docker-root-namespaces", "Docker as root, able to make namespaces", "docker"),
        *("--cap-add=SYS_ADMIN", "--cap-add=NET_ADMIN"),
    ),
    Place(
        *("docker-user-unconfined", "Docker as a user, without its syscall filter", "docker", AS_USER),
        *("--security-opt=seccomp=unconfined", "--security-opt=systempaths=unconfined"),
    ),
    Place("docker-privileged", "A privileged container of Docker, as root", "docker", "--privileged"),
    Place("podman-root", "Podman's defaults, as root", "podman"),
    Place("podman-user", "Podman's defaults, as a user", "podman", AS_USER),
    Place(
        *("podman-root-namespaces", "Podman as root, able to make namespaces", "podman"),
        *("--cap-add=SYS_ADMIN", "--cap-add=NET_ADMIN", "--security-opt=unmask=ALL"),
    ),
    Place(
        "podman-user-unmasked", "Podman as a user, with a whole /proc", "podman", AS_USER, "--security-opt=unmask=ALL"
    ),
    Place("podman-privileged", "A privileged container of podman, as root", "podman", "--privileged"),
)
OLDER_DOCKER = (*world.NO_NAMESPACES, "process_vm_readv=EPERM")
"""What the filter of Docker before version 23 denies beyond that of today's."""
FILTERS = (
    Place("docker-20-user", "Docker before version 23, as a user", SIMULATED, *OLDER_DOCKER),
    Place("podman-apparmor-user", "Podman as a user, where AppArmor denies mounts", SIMULATED, *world.NO_MOUNTS),
    # With such a namespace nothing can be done, not even writing its uid map: as good as none.
    Place("restricted-userns-user", "User namespaces without capabilities, as a user", SIMULATED, *world.NO_NAMESPACES),
)


def measured(engine: str) -> Iterator[dict[str, Any]]:
    """Measure every container of an engine. A place that cannot be had here is told with the reason."""
    places = [place for place in CONTAINERS if place.engine == engine]
    try:
        with ENGINES[engine]() as ready:
            for place in places:
                try:
                    yield _told(place, "measured", ready.version, json.loads(ready.run(*place.options)))
                except Missing as missing:
                    yield _told(place, "measured", ready.version, None, str(missing))
    except Missing as missing:
        for place in places:
            yield _told(place, "measured", None, None, str(missing))


def simulated() -> Iterator[dict[str, Any]]:
    """Measure, on this kernel, beneath syscall filters that stand for other places."""
    for place in FILTERS:
        yield _told(place, SIMULATED, None, json.loads(_beneath_filter(place)))


def _beneath_filter(place: Place) -> str:
    """Run the measurement beneath a place's filter, as an ordinary user."""
    as_user: dict[str, Any] = {} if os.geteuid() else {"user": USER, "group": USER, "extra_groups": []}
    argv = (sys.executable, "-c", world._FILTER, *place.options, "--", sys.executable, str(MEASURE))
    environment = {**os.environ, "PYTHONPATH": SOURCES, "HOME": "/nonexistent"}
    done = subprocess.run(argv, env=environment, stdout=subprocess.PIPE, text=True, check=True, cwd="/", **as_user)
    return str(done.stdout)


def _told(
    place: Place, how: str, version: str | None, result: dict[str, Any] | None, missing: str | None = None
) -> dict[str, Any]:
    """Return a place as it stands in the evidence, without what is this machine's alone."""
    engine = {"name": place.engine, "version": version} if how == "measured" else None
    if result:
        result["kernel"]["release"] = ".".join(re.findall(r"\d+", result["kernel"]["release"])[:2])
        # How many namespaces there may be follows from the machine's memory; none at all is a setting.
        limit = result["kernel"]["userns"]["max_user_namespaces"]
        result["kernel"]["userns"]["max_user_namespaces"] = limit and "some"
    return {
        "name": place.name,
        "title": place.title,
        "how": how,
        "engine": engine,
        "options": list(place.options),
        "result": result,
        "missing": missing,
    }
