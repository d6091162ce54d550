"""What the report says that a sandbox may do at a path: Landlock's rules, added up, and the read-only mounts."""

from __future__ import annotations

from pyopenshell.effective.names import Names
from pyopenshell.effective.paths import MOUNT_POINTS, inside, normal, upward
from pyopenshell.verify.attempt import ALLOWED, DENIED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyopenshell.effective.model import Effective, Grant

CHANGES = ("write_file", "truncate", "refer", "make_", "remove_")
"""How the rights begin that a read-only mount takes away."""


class Rules:
    """The grants that have a rule in the kernel, by their place."""

    def __init__(self, effective: Effective) -> None:
        """Gather them."""
        self.handled = frozenset(effective.landlock.handled)
        self.has_view = effective.isolation["mount"].state == "private"
        self.grants = tuple(
            grant
            for grant in effective.grants
            if grant.mechanism == "landlock" and grant.status in ("enforced", "blocked")
        )
        named = {place(grant) for grant in effective.grants if grant.origin.kind in ("declared", "workdir")}
        self.hidden = tuple(point for point in MOUNT_POINTS if point not in named) if self.has_view else ()
        self._by_place: dict[str, list[Grant]] = {}
        self._names = Names(self.grants)
        self._by_file: dict[str, list[Grant]] = {}
        for grant in self.grants:
            self._by_place.setdefault(place(grant), []).append(grant)
            self._by_file.setdefault(self._names.place(grant), []).append(grant)

    def enclosing(self, path: str) -> list[Grant]:
        """Return the grants on a path or a folder above it, the innermost first."""
        return [grant for folder in self._names.walked(path) for grant in self._by_file.get(folder, ())]

    def on_host(self, path: str) -> str:
        """Return the host's path of what the sandbox has at a path."""
        return self._names.on_host(path)

    def gives(self, path: str, *rights: str) -> bool:
        """Whether all of these rights are given at a path, or not restricted by this kernel's Landlock."""
        given = {right for grant in self.enclosing(path) for right in grant.actual}
        return all(right in given or right not in self.handled for right in rights)

    def expect(self, path: str, *rights: str, device: bool = False) -> str:
        """Return what must come of an attempt that needs these rights. A mount does not keep devices from writing."""
        changes = not device and any(right.startswith(CHANGES) for right in rights)
        if not self.gives(path, *rights) or (changes and not self._is_writable(path)):
            return DENIED
        return ALLOWED

    def is_hidden(self, path: str) -> bool:
        """Whether the path lies in a file system of the sandbox's own, where the host's files are not."""
        point = next((point for point in self.hidden if inside(path, point)), None)
        return point is not None and not any(
            inside(place(grant), point) and place(grant) != point for grant in self.enclosing(path)
        )

    def _is_writable(self, path: str) -> bool:
        """Whether the mount that holds a path can be written: the innermost one decides."""
        if not self.has_view or inside(path, "/proc") or inside(path, "/dev/pts"):
            return True
        for folder in upward(path):
            grants = self._by_place.get(folder, ())
            if folder in self.hidden or any("write_file" in grant.access for grant in grants):
                return True
            if grants and any(inside(folder, point) for point in self.hidden):
                return False  # bound back into a private folder, read-only
        return False


def place(grant: Grant) -> str:
    """Return where a grant's rule stands."""
    return grant.resolved or normal(grant.path)
