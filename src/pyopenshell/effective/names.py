"""The names of a file in a sandbox: what is shown at another path has two, and Landlock's rules know files, not names.

A rule stands on a file or folder, and counts for every path that leads through it (landlock(7)). Walking up from a
shown file the kernel meets the shown tree, then the folders above the path that was walked.
"""

from __future__ import annotations

from pyopenshell.effective.paths import inside, upward

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pyopenshell.effective.model import Grant


MOST = 32
"""Names of one file that are followed: folders shown in each other have no end of them."""


def shown(grants: Iterable[Grant]) -> tuple[tuple[str, str], ...]:
    """Return (the host's path, the path in the sandbox) of everything that is shown at another path."""
    return tuple(
        (grant.source, grant.resolved)
        for grant in grants
        if grant.source and grant.resolved and grant.status != "skipped"
    )


def places(path: str, aliases: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    """Return the places whose rules count for a path, the innermost first: its own folders, and its other names'."""
    return (*dict.fromkeys((*_aliased(path, aliases), *upward(path))),)


def on_host(path: str, aliases: tuple[tuple[str, str], ...]) -> str:
    """Return the host's path of what a sandbox has at a path."""
    for source, target in aliases:
        if inside(path, target):
            return source + path[len(target) :]
    return path


def _aliased(path: str, aliases: tuple[tuple[str, str], ...]) -> Iterator[str]:
    """Yield the places of a path's other names, each up to where the trees that are the same begin."""
    names = [path]
    for name in names:  # grows on the way: one file can be shown at several paths
        for pair in aliases:
            for here, there in (pair, pair[::-1]):
                other = there + name[len(here) :] if inside(name, here) else name
                if other not in names and len(names) < MOST:
                    names.append(other)
                    yield from (folder for folder in upward(other) if inside(folder, there))
