"""Paths as text: which encloses which. Pure; links are ``effective.resolve``'s matter."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


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


def parent(path: str) -> str:
    """Return the folder that holds the path; ``/`` for ``/``."""
    return path.rpartition("/")[0] or "/"


def is_own_proc(path: str) -> bool:
    """Whether the path goes through procfs's magic ``self``: it means another folder for every process."""
    return inside(path, "/proc/self") or inside(path, "/proc/thread-self")
