"""The mounts of a sandbox with a mount namespace. Runs in init, with the privileges of whoever made the namespace."""

from __future__ import annotations

import os
import stat

from pyopenshell.kernel import namespaces as ns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_MODES = {"/run": "mode=755", "/tmp": "mode=1777", "/dev/shm": "mode=1777"}  # noqa: S108 - mount points
_SAFE = ns.MS_NOSUID | ns.MS_NODEV


def apply(plan: dict[str, Any]) -> None:
    """Make the sandbox's own view: nothing travels back to the host, and what is private is mounted over.

    What must stay visible under a hidden mount point is cloned first, as a detached mount (open_tree(2)), and
    attached afterwards: its path is gone in between.
    """
    hide: list[str] = plan["private"]["hide"]
    ns.mount(None, "/", None, ns.MS_REC | ns.MS_SLAVE, None)
    kept = _clones([(real, writable) for _written, real, writable in plan["bind"] if _under(real, hide)])
    for point in hide:
        ns.mount("tmpfs", point, "tmpfs", _SAFE, _MODES[point])
    if os.path.isdir("/dev/pts"):
        ns.mount("devpts", "/dev/pts", "devpts", ns.MS_NOSUID | ns.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620")
    if plan["namespaces"]["pid"]:
        ns.mount("proc", "/proc", "proc", _SAFE | ns.MS_NOEXEC, None)
    for path, fd in kept.items():
        _attach(fd, path)
    for written, real, _writable in plan["bind"]:
        if written != real and _under(written, hide) and not _under(written, list(kept)):
            _link(written, real)
    workdir = plan["workload"]["workdir"]
    if _under(workdir, hide) and not os.path.lexists(workdir):
        os.makedirs(workdir, 0o755)  # not granted: an empty folder of the private file system stands in for it
        os.chown(workdir, plan["uid"], plan["gid"])


def _under(path: str, folders: list[str]) -> bool:
    return any(path.startswith(folder + "/") for folder in folders)


def _clones(paths: list[tuple[str, bool]]) -> dict[str, int]:
    """Clone the paths as detached mounts; what lies beneath one comes along. What is missing stays missing.

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
            fd = ns.open_tree(ns.AT_FDCWD, path, ns.OPEN_TREE_CLONE | ns.AT_RECURSIVE | ns.OPEN_TREE_CLOEXEC)
        except FileNotFoundError:
            continue
        if not writable:
            ns.mount_set_read_only(fd)
        kept[path], modes[path] = fd, writable
    return kept


def _attach(fd: int, path: str) -> None:
    if not os.path.lexists(path):  # it does exist inside another one, attached before
        os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            os.mkdir(path, 0o755)
        else:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    ns.move_mount(fd, "", ns.AT_FDCWD, path, ns.MOVE_MOUNT_F_EMPTY_PATH)
    os.close(fd)


def _link(written: str, real: str) -> None:
    """Make a hidden symlink again, so that the path the operator wrote leads where it did."""
    os.makedirs(os.path.dirname(written), 0o755, exist_ok=True)
    if not os.path.lexists(written):
        os.symlink(real, written)
