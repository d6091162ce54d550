"""Files, folders and devices of the host that the sandbox is to see at another path: ``launch.binding`` mounts them."""

from __future__ import annotations

import errno
import os

from pyopenshell.effective.paths import inside, parent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyopenshell.effective.declared import Placed
    from pyopenshell.effective.layers import Candidate
    from pyopenshell.effective.request import Request


def show(request: Request, candidate: Candidate, source: str, declared: list[Placed], shown: dict[str, str]) -> None:
    """Plan that the sandbox sees ``source`` at the proposal's path, or skip it where that cannot be.

    The rule is about the path in the sandbox, which need not be on the host. ``shown`` is what is seen where so far.
    """
    from_host, at = request.resolve(source), request.resolve(candidate.proposal.path)
    if from_host.real is None:
        candidate.skip(f"{source} on the host: {os.strerror(from_host.errno)}", from_host.errno)
    elif at.real == from_host.real:
        pass  # by another name
    elif request.isolation["mount"].state == "open":
        candidate.skip(f"{source} cannot be shown here: that takes a mount namespace, and there is none")
    elif at.place is None or at.errno not in (0, errno.ENOENT) or (at.real and at.is_dir != from_host.is_dir):
        candidate.skip(f"{source} cannot be shown here: something else is in the way")
    elif shown.setdefault(at.place, from_host.real) != from_host.real:
        candidate.skip(f"{source} cannot be shown here: {shown[at.place]} is")
    elif writer := _writer(request, at.place, declared) if at.real is None else None:
        why = f"the host has nothing to mount on, and {writer.label} is writable"
        candidate.skip(f"{source} cannot be shown here: {why}")
    else:
        candidate.source, candidate.real, candidate.is_dir = from_host.real, at.place, from_host.is_dir


def _writer(request: Request, place: str, declared: list[Placed]) -> Placed | None:
    """Return the writable grant on the folder that would get a stand-in: what is written there must reach the host."""
    folder = parent(place)
    while request.resolve(folder).real is None and folder != "/":
        folder = parent(folder)
    return next((item for item in declared if item.writes and inside(folder, item.place)), None)
