"""Which file of the host a path leads to in a sandbox that is shown some of the host's files at other places."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_LINKS = 40
"""As many links as the kernel follows in one path (path_resolution(7))."""


def behind(path: str, root: str, mounts: Mapping[str, str]) -> str:
    """Return the path on the host, links followed. ``mounts`` have the host's path by the sandbox's.

    ``root`` stands before the host's paths, those of ``mounts`` too. The links of the sandbox's view lead on within it:
    into a mount, and out of it. A path that leads to nothing is returned as far as it goes, with the rest behind it.
    """
    if not mounts:
        return os.path.realpath(root + path)
    points = {_point(place, root): source for place, source in mounts.items()}
    rest = path.split("/")[::-1]
    seen, links = "", 0
    while rest:
        part = rest.pop()
        if part in ("", "."):
            continue
        if part == "..":
            seen = os.path.dirname(seen).rstrip("/")
            continue
        step = f"{seen}/{part}"
        target = None if step in points else _target(root + _source(step, points))
        if target is None or links == MOST_LINKS:
            seen = step
            continue
        links += 1
        rest += target.split("/")[::-1]
        seen = "" if target.startswith("/") else seen
    return os.path.realpath(root + _source(seen, points))


def _point(place: str, root: str) -> str:
    """Return where a mount really is: the folders above it may be links on the host (/lib is /usr/lib)."""
    folder, name = os.path.split(place.rstrip("/"))
    return os.path.realpath(root + folder).removeprefix(root).rstrip("/") + "/" + name


def _source(path: str, points: Mapping[str, str]) -> str:
    """Return the host's path of a sandbox's: of the mounts around it the innermost decides."""
    around = path
    while around:
        if around in points:
            return points[around] + path[len(around) :]
        around = around.rpartition("/")[0]
    return path


def _target(path: str) -> str | None:
    try:
        return os.readlink(path)
    except OSError:
        return None
