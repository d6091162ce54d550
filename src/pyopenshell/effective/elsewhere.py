"""Files, folders and devices of the host that the sandbox is to see at another path: ``launch.binding`` mounts them.

A mount hides what it lies on, and gives its file a second name. So it must not lie on, over or in what an operator
declared, what the sandbox has of its own, or another one; and the rules about either name count for both.
"""

from __future__ import annotations

import errno
import os

from pyopenshell.effective.paths import MOUNT_POINTS, inside, parent, upward

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyopenshell.effective.declared import Placed
    from pyopenshell.effective.layers import Candidate
    from pyopenshell.effective.request import Request, Resolved

KERNELS = ("/proc", "/sys")
"""What a CDI spec never makes writable, nor shows elsewhere: a container's is its own, and here it is the host's."""
OWN = (*KERNELS, "/dev/pts", "/run/openshell")
"""What a sandbox has of its own, with all that lies in it."""
MOST_FOLDERS = 128
"""Folders on the way to a path that need not be there: nobody's library lies deeper."""


def show(request: Request, candidate: Candidate, source: str, at: Resolved) -> None:
    """Plan that the sandbox sees ``source`` at the proposal's path, or skip it where that cannot be.

    The rule is about the path in the sandbox, which need not be on the host. ``at`` is where it leads, looked up once:
    somebody may be changing it.
    """
    from_host = request.resolve(source)
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
    elif from_host.real in MOUNT_POINTS:
        _deny(candidate, source, "a sandbox does not see the host's")
    else:
        candidate.source, candidate.real, candidate.is_dir = from_host.real, at.place, from_host.is_dir
    candidate.links += from_host.links
    candidate.links_by_others |= from_host.links_by_others


def check(request: Request, candidates: list[Candidate], declared: list[Placed]) -> None:
    """Skip what would lie on something that is not the spec's to change. Pure; everything is placed by now."""
    planned = [one for one in candidates if one.proposal.kind == "cdi" and one.status == "planned"]
    for candidate in planned:
        _keep_own(request, candidate, declared)
        _follow_no_strangers(candidate, declared)
    there = _There(candidates)
    for candidate in planned:
        if candidate.source is None or candidate.status != "planned":
            continue
        twin = there.twin(candidate)
        if twin:
            candidate.skip(f"{twin.proposal.path} is the same path, and shows it")
            continue
        why = (
            _in_the_way(request, candidate, declared)
            or there.conflict(candidate)
            or _nothing_to_mount_on(request, candidate, declared, there)
        )
        if why:
            _deny(candidate, candidate.source, why)
        else:
            there.add(candidate)


class _There:
    """What is granted and shown where, by path: a spec can name thousands."""

    def __init__(self, candidates: list[Candidate]) -> None:
        """Gather what stands on files of the host's own names. Private folders are no place of the host's."""
        self._granted: dict[str, str] = {}
        self.writable: dict[str, str] = {}
        self._shown: dict[str, Candidate] = {}
        self._above: dict[str, Candidate] = {}
        self.sources: set[str] = set()
        for one in candidates:
            if one.status == "planned" and one.source:
                self.sources.add(one.source)
            elif one.status == "planned" and not one.proposal.private:
                for folder in upward(one.place):
                    self._granted.setdefault(folder, one.proposal.path)
                if one.writes:
                    self.writable[one.place] = one.proposal.path

    def conflict(self, candidate: Candidate) -> str | None:
        """Say what is granted on the path or in it, whose rule would be about what is shown, or is shown there.

        A read-only mount does not restrict devices: above one that is not to be written, nothing may be writable.
        """
        place = candidate.place
        if place in self._granted:
            return f"{self._granted[place]} is granted for its own sake"
        if candidate.proposal.is_device and not candidate.writes:
            above = next((self.writable[folder] for folder in upward(place) if folder in self.writable), None)
            if above:
                return f"{above} is granted for writing"
        other = self._above.get(place) or next((self._shown[up] for up in upward(place) if up in self._shown), None)
        return f"{other.source} is shown at {other.place}" if other else None

    def twin(self, candidate: Candidate) -> Candidate | None:
        """Return what shows the same file at the same place already, by another spelling of the path."""
        other = self._shown.get(candidate.place)
        return other if other and other.source == candidate.source else None

    def add(self, candidate: Candidate) -> None:
        """Remember what is shown."""
        self._shown[candidate.place] = candidate
        for folder in upward(candidate.place):
            self._above.setdefault(folder, candidate)


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


def _in_the_way(request: Request, candidate: Candidate, declared: list[Placed]) -> str | None:
    """Say what is declared at the path, around it or in it: all of that stays as it is."""
    place = candidate.place
    if inside(request.workdir, place):
        return f"the working directory {request.workdir} would be another one"
    for item in declared:
        if inside(item.place, place) or (item.writes and inside(place, item.place)):
            return f"{item.label} stays as it is on the host"
    return None


def _follow_no_strangers(candidate: Candidate, declared: list[Placed]) -> None:
    """Skip what leads through a link that others, or an earlier run, may have put there: it chooses what is granted."""
    if candidate.status != "planned":
        return
    planted = next(
        (link for link in candidate.links for item in declared if item.writes and inside(link, item.place)), None
    )
    if planted:
        candidate.skip(f"the symbolic link {planted} on the way can be replaced by the sandbox")
    elif candidate.links_by_others:
        candidate.skip("a symbolic link on the way belongs neither to root nor to you")


def _nothing_to_mount_on(request: Request, candidate: Candidate, declared: list[Placed], there: _There) -> str | None:
    """Say why no stand-in can be made for the folder that lacks the path. What is written there must reach the host."""
    if request.resolve(candidate.place).real is not None:
        return None
    folder = parent(candidate.place)
    while folder != "/" and request.resolve(folder).real is None:
        folder = parent(folder)
    if folder == "/":
        return "the host has no such folder at its root"
    if not there.sources.isdisjoint(upward(folder)):
        return f"{folder} is shown elsewhere"
    writers = [item.label for item in declared if item.writes and inside(folder, item.place)]
    writers += [there.writable[above] for above in upward(folder) if above in there.writable]
    return f"the host has nothing to mount on, and {writers[0]} is writable" if writers else None


def _has_view(request: Request) -> bool:
    """Whether the sandbox has mounts of its own."""
    return request.isolation["mount"].state != "open"


def _deny(candidate: Candidate, source: str, why: str) -> None:
    candidate.skip(f"{source} cannot be shown here: {why}")
