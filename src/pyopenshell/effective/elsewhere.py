"""Files, folders and devices of the host that the sandbox is to see at another path: ``launch.binding`` mounts them.

A mount hides what it lies on, and gives its file a second name. So it must not lie on, over or in what an operator
declared, what the sandbox has of its own, or another one; and the rules about either name count for both.
"""

from __future__ import annotations

import errno
import os

from pyopenshell.effective.paths import MOUNT_POINTS, inside, parent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyopenshell.effective.declared import Placed
    from pyopenshell.effective.layers import Candidate
    from pyopenshell.effective.request import Request

KERNELS = ("/proc", "/sys")
"""What a CDI spec never makes writable, nor shows elsewhere: a container's is its own, and here it is the host's."""
OWN = (*KERNELS, "/dev/pts", "/run/openshell")
"""What a sandbox has of its own, with all that lies in it."""
MOST_FOLDERS = 128
"""Folders on the way to a path that need not be there: nobody's library lies deeper."""


def show(request: Request, candidate: Candidate, source: str) -> None:
    """Plan that the sandbox sees ``source`` at the proposal's path, or skip it where that cannot be.

    The rule is about the path in the sandbox, which need not be on the host.
    """
    from_host, at = request.resolve(source), request.resolve(candidate.proposal.path)
    if from_host.real is None:
        candidate.skip(f"{source} on the host: {os.strerror(from_host.errno)}", from_host.errno)
    elif at.real == from_host.real:
        pass  # by another name
    elif not _has_view(request):
        _deny(candidate, source, "that takes a mount namespace, and there is none")
    elif at.place is None or at.errno not in (0, errno.ENOENT) or (at.real and at.is_dir != from_host.is_dir):
        _deny(candidate, source, "something else is in the way")
    elif inside(at.place, from_host.real) or inside(from_host.real, at.place):
        _deny(candidate, source, "one holds the other")
    elif any(inside(from_host.real, folder) or inside(folder, from_host.real) for folder in KERNELS):
        _deny(candidate, source, "procfs and sysfs are shown at their own paths only")
    elif at.place.count("/") > MOST_FOLDERS:
        _deny(candidate, source, f"more than {MOST_FOLDERS} folders lie on the way")
    else:
        candidate.source, candidate.real, candidate.is_dir = from_host.real, at.place, from_host.is_dir


def check(request: Request, candidates: list[Candidate], declared: list[Placed]) -> None:
    """Skip what would lie on something that is not the spec's to change. Pure; everything is placed by now."""
    planned = [one for one in candidates if one.proposal.kind == "cdi" and one.status == "planned"]
    for candidate in planned:
        _keep_own(request, candidate, declared)
    shown: list[Candidate] = []
    for candidate in planned:
        if candidate.source is None or candidate.status != "planned":
            continue
        why = _in_the_way(request, candidate, declared, shown) or _nothing_to_mount_on(
            request, candidate, declared, candidates
        )
        if why:
            _deny(candidate, candidate.source, why)
        else:
            shown.append(candidate)


def _keep_own(request: Request, candidate: Candidate, declared: list[Placed]) -> None:
    """Skip what would replace, open or reach into what the sandbox has of its own."""
    place, shown, writes = candidate.place, candidate.source is not None, not candidate.reads_only
    points = [point for point in MOUNT_POINTS if not any(item.place == point for item in declared)]
    if not _has_view(request):
        points = []
    own = next((folder for folder in (*points, *OWN) if inside(folder, place)), None)
    own = own or next((folder for folder in OWN if inside(place, folder)), None)
    if own is None or (own in KERNELS and not (shown or writes)):
        return
    what = f"{candidate.source} cannot be shown here" if shown else "it is not granted"
    candidate.skip(f"{what}: {own} is the sandbox's own, or the kernel's")


def _in_the_way(
    request: Request, candidate: Candidate, declared: list[Placed], shown: Iterable[Candidate]
) -> str | None:
    """Say what is declared at the path, around it or in it, or is shown there already: all of that stays as it is."""
    place = candidate.place
    if inside(request.workdir, place):
        return f"the working directory {request.workdir} would be another one"
    for item in declared:
        if inside(item.place, place) or (item.writes and inside(place, item.place)):
            return f"{item.label} stays as it is on the host"
    for other in shown:
        if inside(other.place, place) or inside(place, other.place):
            return f"{other.source} is shown at {other.place}"
    return None


def _nothing_to_mount_on(
    request: Request, candidate: Candidate, declared: list[Placed], candidates: list[Candidate]
) -> str | None:
    """Say why no stand-in can be made for the folder that lacks the path. What is written there must reach the host."""
    if request.resolve(candidate.place).real is not None:
        return None
    folder = parent(candidate.place)
    while folder != "/" and request.resolve(folder).real is None:
        folder = parent(folder)
    if folder == "/":
        return "the host has no such folder at its root"
    writers = [item.label for item in declared if item.writes and inside(folder, item.place)]
    writers += [
        f"{one.proposal.path} ({one.proposal.name})"
        for one in candidates
        if one.status == "planned" and one.writes and not one.proposal.private and inside(folder, one.place)
    ]
    return f"the host has nothing to mount on, and {writers[0]} is writable" if writers else None


def _has_view(request: Request) -> bool:
    """Whether the sandbox has mounts of its own."""
    return request.isolation["mount"].state != "open"


def _deny(candidate: Candidate, source: str, why: str) -> None:
    candidate.skip(f"{source} cannot be shown here: {why}")
