"""Paths as text: which encloses which. Pure; links are ``effective.resolve``'s matter."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def normal(path: str) -> str:
    """Return an absolute path without ``//``, ``/./`` and a slash at its end."""
    if path == "/" or not ("//" in path or "/./" in path or path.endswith(("/", "/."))):
        return path
    return "/" + "/".join([part for part in path.split("/") if part not in ("", ".")])


def upward(path: str) -> Iterator[str]:
    """Yield the path, then every folder above it up to ``/``."""
    while path not in ("", "/"):
        yield path
        path = path.rpartition("/")[0]
    yield "/"


def inside(path: str, folder: str) -> bool:
    """Whether ``path`` is ``folder`` or lies beneath it."""
    return folder in (path, "/") or path.startswith(folder + "/")


MOUNT_POINTS = ("/run", "/tmp", "/dev/shm")  # noqa: S108 - mount points in a namespace of the sandbox's own
"""Where a sandbox with a mount namespace has something else than the host, unless the operator declares them."""


SANDBOX = "/sandbox"
"""Where a sandbox with a folder of its own sees that, as in OpenShell's images, if the host has it to mount on."""


OWN_FOLDERS = ("/tmp", "/dev/shm", "/run/openshell")  # noqa: S108 - the names of what is private, not files to make
"""Where a sandbox with a mount namespace has folders of its own: no file of the host is reached by a grant there."""


def shows(folder: str, path: str, hidden: Iterable[str]) -> bool:
    """Whether a grant on ``folder`` is about the host's ``path`` where these mount points are private.

    What is granted at or beneath a mount point is bound back there; a folder above it shows the sandbox's own mount.
    """
    return inside(path, folder) and not any(inside(path, point) and not inside(folder, point) for point in hidden)


def parent(path: str) -> str:
    """Return the folder that holds the path; ``/`` for ``/``."""
    return path.rpartition("/")[0] or "/"


def is_own_proc(path: str) -> bool:
    """Whether the path goes through procfs's magic ``self``: it means another folder for every process."""
    return inside(path, "/proc/self") or inside(path, "/proc/thread-self")
