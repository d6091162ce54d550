"""The names of a file in a sandbox: what is shown at another path has two, and Landlock's rules know files, not names.

A rule stands on a file or folder, and counts for every path that leads through it (landlock(7)). Walking up from a
shown file the kernel meets the shown tree, then the folders above the path that was walked.
"""

from __future__ import annotations

from pyopenshell.effective.paths import normal, parent, upward

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyopenshell.effective.model import Grant


class Names:
    """What of the host is seen where. Nothing is shown in what is shown, so one look is enough."""

    def __init__(self, grants: Iterable[Grant]) -> None:
        """Gather what is shown at another path."""
        self._shown = {
            grant.resolved: grant.source
            for grant in grants
            if grant.source and grant.resolved and grant.status != "skipped"
        }

    def on_host(self, path: str) -> str:
        """Return the host's path of what the sandbox has at a path."""
        target = self._target(path)
        return path if target is None else self._shown[target] + path[len(target) :]

    def walked(self, path: str) -> tuple[str, ...]:
        """Return, as the host's paths, what the kernel meets on the way up from a path, the innermost first."""
        target = self._target(path)
        if target is None:
            return tuple(upward(path))
        source = self._shown[target]
        within = [folder for folder in upward(self.on_host(path)) if len(folder) >= len(source)]
        return (*within, *upward(parent(target)))

    def place(self, grant: Grant) -> str:
        """Return the host's path that a grant's rule stands on."""
        return self.on_host(grant.resolved or normal(grant.path))

    def _target(self, path: str) -> str | None:
        return next((folder for folder in upward(path) if folder in self._shown), None) if self._shown else None
