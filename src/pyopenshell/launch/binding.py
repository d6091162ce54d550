"""Files, folders and devices of the host that the sandbox sees at another path, as CDI specs ask for.

A mount needs something to be mounted on. Where the host has nothing at that path, and its folder is not one of the
sandbox's own, a stand-in is made for the folder: a small file system with all its entries, each mounted from the host,
and the new ones.
"""

from __future__ import annotations

import errno
import os
import stat

from pyopenshell.kernel import namespaces as ns
from pyopenshell.kernel import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MOST = 10_000
"""Entries of a folder that gets a stand-in: each is a mount, and the kernel allows 100,000 (fs.mount-max)."""
CLONE = ns.OPEN_TREE_CLONE | ns.AT_RECURSIVE | ns.AT_EMPTY_PATH | ns.OPEN_TREE_CLOEXEC
HERE = ns.MOVE_MOUNT_F_EMPTY_PATH | ns.MOVE_MOUNT_T_EMPTY_PATH


class Bound:
    """One path under way: a detached mount of its source, or the error that kept it from being made."""

    def __init__(self, grant: str, source: str, target: str, *, writable: bool) -> None:
        """Clone ``source`` while it can still be found: its folder may be about to be hidden."""
        self.grant, self.target, self.fd, self.errno, self.is_dir = grant, target, -1, 0, False
        try:
            place = open_path(source)
            try:
                self.is_dir = stat.S_ISDIR(os.fstat(place).st_mode)
                self.fd = ns.open_tree(place, "", CLONE)
            finally:
                os.close(place)
            if not writable:
                ns.mount_set_read_only(self.fd)
        except OSError as error:
            self.errno = error.errno or errno.EIO


def clone(plan: dict[str, Any]) -> list[Bound]:
    """Return what is to be bound, outermost first. Raises nothing: what cannot be cloned says so."""
    return [
        Bound(grant, source, target, writable=writable)
        for grant, source, target, writable in sorted(plan["bound"], key=lambda one: one[2])
    ]


def attach(bound: list[Bound], points: list[str]) -> dict[str, int]:
    """Mount each where the sandbox is to see it; return the errno of each grant for which that failed.

    ``points`` are where file systems of the sandbox's own are mounted, in which anything can be made. All else is
    mounted before this, so that a stand-in takes along what lies in its folder.
    """
    own = {os.stat(point).st_dev for point in points}
    stands: list[str] = []
    failed: dict[str, int] = {}
    for one in bound:
        try:
            if one.errno:
                raise OSError(one.errno, "")
            if not os.path.lexists(one.target):
                _make_room(one, own, stands)
            place = open_path(one.target)
            try:
                ns.move_mount(one.fd, "", place, "", HERE)
            finally:
                os.close(place)
        except OSError as error:
            failed[one.grant] = error.errno or errno.EIO
        finally:
            if one.fd >= 0:
                os.close(one.fd)
    for folder in stands:
        _seal(folder)
    return failed


def open_path(path: str) -> int:
    """Return a descriptor of a path without symbolic links, for mounting (open(2), O_PATH)."""
    return process.openat2(process.AT_FDCWD, path, os.O_PATH | os.O_CLOEXEC, 0, process.RESOLVE_NO_SYMLINKS)


def _make_room(one: Bound, own: set[int], stands: list[str]) -> None:
    """Make an empty file or folder to mount on: on a file system of ours, which a stand-in is too.

    Whose a folder is, its device tells: what lies beneath one of ours may have been bound back from the host.
    """
    folder = os.path.dirname(one.target)
    while not os.path.lexists(folder):
        folder = os.path.dirname(folder)
    if _device(folder) not in own:
        _stand_in(folder)
        stands.append(folder)
        own.add(_device(folder))
    missing = one.target[len(folder) :].strip("/").split("/")
    for name in missing[:-1]:
        folder = f"{folder}/{name}"
        os.mkdir(folder, 0o755)
    _empty(one.target, is_dir=one.is_dir)


def _device(folder: str) -> int:
    """Return the device of a folder. Raises OSError where a symbolic link stands in its place: it was none before."""
    place = open_path(folder)
    try:
        return os.fstat(place).st_dev
    finally:
        os.close(place)


def _empty(path: str, *, is_dir: bool) -> None:
    if is_dir:
        os.mkdir(path, 0o755)
    else:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def _stand_in(folder: str) -> None:
    """Mount a file system over a folder that has the same entries, and can have more. Raises OSError: then it has not.

    Links are made again; everything else is the host's own, mounted, with what is mounted beneath it. Owner and mode
    are the folder's; access control lists are not kept.
    """
    names = os.listdir(folder)
    if len(names) > MOST:
        raise OSError(errno.E2BIG, "too many entries")
    entries: list[tuple[str, int, str | None]] = []
    try:
        for name in names:
            entries.append((name, *_entry(f"{folder}/{name}")))
        status = os.stat(folder)
        ns.mount("tmpfs", folder, "tmpfs", ns.MS_NOSUID, f"mode={stat.S_IMODE(status.st_mode):o}")
        try:
            _fill(folder, entries)
            _give(folder, status)
        except OSError:
            ns.umount(folder, ns.MNT_DETACH)
            raise
    finally:
        for _name, fd, _link in entries:
            if fd >= 0:
                os.close(fd)


def _fill(folder: str, entries: list[tuple[str, int, str | None]]) -> None:
    for name, fd, link in entries:
        path = f"{folder}/{name}"
        if link is not None:
            os.symlink(link, path)
            continue
        _empty(path, is_dir=stat.S_ISDIR(os.fstat(fd).st_mode))
        place = open_path(path)
        try:
            ns.move_mount(fd, "", place, "", HERE)
        finally:
            os.close(place)


def _give(folder: str, status: os.stat_result) -> None:
    """Give a stand-in the folder's owner, where this user namespace has it: else it belongs to whom it is shown."""
    try:
        os.chown(folder, status.st_uid, status.st_gid)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EPERM, errno.EOVERFLOW):
            raise


def _entry(path: str) -> tuple[int, str | None]:
    """Return a clone of an entry, or where it leads if it is a symbolic link."""
    if os.path.islink(path):
        return -1, os.readlink(path)
    place = open_path(path)
    try:
        return ns.open_tree(place, "", CLONE), None
    finally:
        os.close(place)


def _seal(folder: str) -> None:
    """Make a stand-in read-only, as the folder was; what is mounted in it keeps its own mode."""
    place = open_path(folder)
    ns.mount_set_read_only(place, recursive=False)
    os.close(place)
