"""The mounts of a sandbox with a mount namespace. Runs in init, with the privileges of whoever made the namespace."""

from __future__ import annotations

import errno
import os
import stat

from pyopenshell.kernel import namespaces as ns
from pyopenshell.kernel import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_MODES = {"/run": "mode=755", "/tmp": "mode=1777", "/dev/shm": "mode=1777"}  # noqa: S108 - mount points
_SAFE = ns.MS_NOSUID | ns.MS_NODEV


def apply(plan: dict[str, Any]) -> dict[str, int]:
    """Make the sandbox's own view: nothing travels back to the host, and what is private is mounted over.

    Returns the errno of each grant whose path of the host could not be shown where it was to be.

    What must stay visible under a hidden mount point is cloned first, as a detached mount (open_tree(2)), and
    attached afterwards: its path is gone in between.
    """
    hide: list[str] = plan["private"]["hide"]
    ns.mount(None, "/", None, ns.MS_REC | ns.MS_PRIVATE, None)  # no way either: a later mount would be writable
    back = [(real, writable) for _written, real, writable in plan["bind"] if _under(real, hide)]
    kept = _clones([*back, *((real, True) for real in plan["writable"])])
    attach = _bindings(plan)
    # Landlock leaves chmod(2), utime(2) and extended attributes alone: a read-only mount does not.
    root = open_path("/")
    ns.mount_set_read_only(root)
    os.close(root)
    for point in hide:
        ns.mount("tmpfs", point, "tmpfs", _SAFE, _MODES[point])
    if os.path.isdir("/dev/pts"):
        ns.mount("devpts", "/dev/pts", "devpts", ns.MS_NOSUID | ns.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620")
    if plan["namespaces"]["pid"]:
        ns.mount("proc", "/proc", "proc", _SAFE | ns.MS_NOEXEC, None)
    for path, fd in kept.items():
        _attach(fd, path, make=_under(path, hide) and not _under(path, list(kept)))
    for written, real in plan["links"]:
        if not _under(written, list(kept)):
            _link(written, real)
    failed = attach(hide)
    _need_workdir(plan, failed)
    for folder in plan["mask"]:
        if os.path.isdir(folder):
            ns.mount("tmpfs", folder, "tmpfs", _SAFE | ns.MS_RDONLY, "mode=000")
    workdir = plan["workload"]["workdir"]
    granted = [real for _written, real, _writable in plan["bind"]]
    is_granted = workdir in granted or _under(workdir, granted)
    if _under(workdir, hide) and not is_granted and not os.path.lexists(workdir):
        os.makedirs(workdir, 0o755)  # an empty folder of the private file system stands in for it
        os.chown(workdir, plan["uid"], plan["gid"])
    return failed


def _need_workdir(plan: dict[str, Any], failed: dict[str, int]) -> None:
    """Raise OSError where the working directory itself was to be shown and is not: the host has another one there."""
    for grant, source, target, _attributes in plan["bound"]:
        if grant in failed and target == plan["workload"]["workdir"]:
            raise OSError(failed[grant], os.strerror(failed[grant]), f"{source} at {target}")


def open_path(path: str, flags: int = os.O_PATH, at: int = process.AT_FDCWD) -> int:
    """Return a descriptor of a path without symbolic links (openat2(2))."""
    return process.openat2(at, path, flags | os.O_CLOEXEC, 0, process.RESOLVE_NO_SYMLINKS)


def _bindings(plan: dict[str, Any]) -> Callable[[list[str]], dict[str, int]]:
    """Clone what is to be seen at other paths, while it can be found; return what attaches it.

    Imported only where there is any, which is now: everything is still in view.
    """
    if not plan["bound"]:
        return lambda _points: {}
    from pyopenshell.launch import binding

    bound = binding.clone(plan)
    return lambda points: binding.attach(bound, points)


def _under(path: str, folders: list[str]) -> bool:
    return any(path.startswith(folder + "/") for folder in folders)


def _clones(paths: list[tuple[str, bool]]) -> dict[str, int]:
    """Clone the paths as detached mounts; what lies beneath one comes along. What is missing stays missing.

    So does what became a link after the plan was made (ELOOP): it would turn into the folder that it leads to.

    A path that is not granted for writing becomes a read-only mount: it will hang under a private folder, and
    Landlock adds up the rules on the way to the root, so that folder's own rule would let it be written.
    """
    kept: dict[str, int] = {}
    modes: dict[str, bool] = {}
    for path, writable in sorted(paths):
        outer = max((folder for folder in kept if _under(path, [folder])), key=len, default=None)
        if outer is not None and modes[outer] == writable:
            continue
        try:
            place = open_path(path)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                continue
            raise
        if stat.S_ISCHR(mode := os.fstat(place).st_mode) or stat.S_ISBLK(mode):
            os.close(place)  # devices can be written to through a read-only mount
            continue
        flags = ns.OPEN_TREE_CLONE | ns.AT_RECURSIVE | ns.AT_EMPTY_PATH | ns.OPEN_TREE_CLOEXEC
        fd = ns.open_tree(place, "", flags)
        os.close(place)
        if not writable:
            ns.mount_set_read_only(fd)
        kept[path], modes[path] = fd, writable
    return kept


def _attach(fd: int, path: str, *, make: bool) -> None:
    """Attach a clone where it was. Its place is made only in an empty file system of ours: elsewhere it exists.

    Elsewhere is the host's, whose owner may have put a link in the way since.
    """
    if make:
        os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            os.mkdir(path, 0o755)
        else:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    place = open_path(path)
    ns.move_mount(fd, "", place, "", ns.MOVE_MOUNT_F_EMPTY_PATH | ns.MOVE_MOUNT_T_EMPTY_PATH)
    os.close(place)
    os.close(fd)


def _link(written: str, real: str) -> None:
    """Make a hidden symlink again, so that the path the operator wrote leads where it did."""
    os.makedirs(os.path.dirname(written), 0o755, exist_ok=True)
    if not os.path.lexists(written):
        os.symlink(real, written)
