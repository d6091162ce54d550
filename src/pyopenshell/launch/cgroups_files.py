"""The files of cgroups, and what comes of writing them."""

from __future__ import annotations

import errno
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyopenshell.effective.limits import Limit

NO_SWAP_LIMIT = "swap is not limited: this kernel does not count it by cgroup"


def make(folder: str) -> None:
    """Make a cgroup, if it is not there, that nobody else can open. Raises OSError."""
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        pass  # controllers that share a hierarchy


def write(path: str, text: str) -> None:
    """Write to a file of a cgroup in one go. Raises OSError; nothing is made where there is no such file."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def read(path: str) -> str:
    """Return what a file of a cgroup says; nothing where there is none."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def maybe(path: str) -> int | None:
    """Return the number in a file, if there is one."""
    text = read(path).strip()
    return int(text) if text.isdigit() else None


def number(path: str) -> int:
    """Return the number in a file. Raises OSError (ERANGE) where it says something else: ``max``, for one."""
    found = maybe(path)
    if found is None:
        raise OSError(errno.ERANGE, f"{os.path.basename(path)} says {read(path).strip() or 'nothing'}", path)
    return found


def entry(path: str, key: str) -> int | None:
    """Return the number behind a key, of a file that has one key in each line."""
    for line in read(path).splitlines():
        name, _, value = line.partition(" ")
        if name == key and value.isdigit():
            return int(value)
    return None


def has_swap() -> bool:
    """Whether there is anything to swap to (proc_swaps(5))."""
    return len(read("/proc/swaps").splitlines()) > 1


def enforced(limit: Limit, mechanism: str, actual: int, detail: str | None = None) -> Limit:
    """Return a limit that the kernel has taken, as read back; it may round."""
    return limit.replace(actual=actual, mechanism=mechanism, status="enforced", detail=detail)


def failed(limit: Limit, error: OSError) -> Limit:
    """Return a limit that could not be set, and why."""
    who = "" if os.geteuid() == 0 else "an ordinary user, and "
    why = {
        errno.EACCES: f"openshell runs as {who}may not divide the cgroup that it is in",
        errno.EPERM: f"openshell runs as {who}may not divide the cgroup that it is in",
        errno.EROFS: "the cgroup file system is mounted read-only",
        errno.EINVAL: "the kernel does not take it: a cgroup around this one allows less, perhaps",
        errno.ENOSPC: "there are as many cgroups as there may be",
    }.get(error.errno or 0, error.strerror or str(error))
    return limit.replace(status="skipped", detail=why)
