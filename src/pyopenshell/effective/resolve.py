"""Where a path leads on this host, link by link (path_resolution(7)): what composition is told about the disk.

``os.path.realpath`` gives no errno, does not say whose links it followed, and treats what is missing as found.
"""

from __future__ import annotations

import errno
import os
import stat

from pyopenshell.effective.request import Resolved

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

MAX_LINKS = 40
"""The kernel gives up with ELOOP after as many."""
OWN = ("/proc/self", "/proc/thread-self")
"""Links that lead every reader elsewhere: they stand for themselves."""


def resolver(operator: int, on_host: Callable[[str], str] | None = None) -> Callable[[str], Resolved]:
    """Return the function that resolves paths for the user id ``operator``.

    ``on_host`` says where the host has what a sandbox sees at a path, if that may be another: then paths lead where
    they do in the sandbox.
    It remembers what it looked up, so that hundreds of paths in few folders cost few system calls: use a new one for
    every launch. It never raises.
    """
    seen: dict[str, tuple[int, int, str]] = {}

    def look(path: str) -> tuple[int, int, str]:
        """Return (mode, owner, link target) of one path whose folders are known."""
        known = seen.get(path)
        if known is None:
            place = on_host(path) if on_host else path
            info = os.lstat(place)
            mode = stat.S_IFDIR if path in OWN else info.st_mode
            known = seen[path] = (mode, info.st_uid, os.readlink(place) if stat.S_ISLNK(mode) else "")
        return known

    def resolve(path: str) -> Resolved:
        return _walk(path, look, (0, operator))

    return resolve


def _walk(path: str, look: Callable[[str], tuple[int, int, str]], trusted: tuple[int, int]) -> Resolved:
    """Follow the path component by component."""
    pending = path.split("/")[::-1]
    here = current = ""
    mode, foreign = stat.S_IFDIR, False
    links: list[str] = []
    try:
        while pending:
            name = pending.pop()
            if name in ("", "."):
                continue
            if name == "..":
                if not stat.S_ISDIR(mode):
                    return Resolved(None, errno.ENOTDIR)
                current = current.rpartition("/")[0]
                continue
            here = f"{current}/{name}"
            mode, owner, target = look(here)
            if not stat.S_ISLNK(mode):
                current = here
                continue
            links.append(here)
            if len(links) > MAX_LINKS:
                return Resolved(None, errno.ELOOP)
            foreign = foreign or owner not in trusted
            pending.extend(target.split("/")[::-1])
            if target.startswith("/"):
                current = ""
            mode = stat.S_IFDIR
        if path.endswith("/") and not stat.S_ISDIR(mode):
            return Resolved(None, errno.ENOTDIR)
    except OSError as error:
        return _missing(error.errno or errno.EIO, here, pending, followed=bool(links), foreign=foreign)
    except ValueError:  # a NUL byte, or characters no file name can have
        return Resolved(None, errno.EINVAL)
    device = stat.S_ISCHR(mode) or stat.S_ISBLK(mode)
    real = current or "/"
    return Resolved(
        real, 0, stat.S_ISDIR(mode), device, foreign, real, links=tuple(links), is_socket=stat.S_ISSOCK(mode)
    )


def _missing(number: int, here: str, pending: list[str], *, followed: bool, foreign: bool) -> Resolved:
    """Say where a path would be that could not be followed beyond ``here``."""
    rest = [name for name in reversed(pending) if name not in ("", ".")]
    if ".." in rest:
        return Resolved(None, number, links_by_others=foreign)
    creatable = number == errno.ENOENT and not rest and not followed
    return Resolved(None, number, False, False, foreign, "/".join([here, *rest]), creatable)
