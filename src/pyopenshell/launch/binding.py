"""Files, folders and devices of the host that the sandbox sees at another path, as CDI specs ask for.

A mount needs something to be mounted on. Where the host has nothing at that path, and its folder is not one of the
sandbox's own, a stand-in is made for the folder: a small file system with all its entries, each mounted from the host,
and the new ones. Everything is done by descriptor: the host's folders belong to others, who may be changing them.
"""

from __future__ import annotations

import errno
import os
import stat

from pyopenshell.kernel import namespaces as ns
from pyopenshell.launch.mounts import open_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MOST = 10_000
"""Entries of a folder that gets a stand-in: each is a mount, and the kernel allows 100,000 (fs.mount-max)."""
CLONE = ns.OPEN_TREE_CLONE | ns.AT_EMPTY_PATH | ns.OPEN_TREE_CLOEXEC
HERE = ns.MOVE_MOUNT_F_EMPTY_PATH | ns.MOVE_MOUNT_T_EMPTY_PATH
PTMX = "/dev/ptmx"
"""A terminal multiplexer that is mounted alone does not find its terminals: the one among them does (pts(4))."""


class Bound:
    """One path under way: a detached mount of its source, or the error that kept it from being made.

    What is mounted beneath the source stays behind: it was not asked for, and may be the host's procfs.
    """

    def __init__(self, grant: str, source: str, target: str, attributes: int) -> None:
        """Clone ``source`` while it can still be found: its folder may be about to be hidden."""
        self.grant, self.target, self.fd, self.errno, self.is_dir = grant, target, -1, 0, False
        try:
            place = open_path(source)
            try:
                self.is_dir = stat.S_ISDIR(os.fstat(place).st_mode)
                self.fd = ns.open_tree(place, "", CLONE)
            finally:
                os.close(place)
            if attributes:
                ns.mount_set(self.fd, attributes, recursive=False)
        except OSError as error:
            self.errno = error.errno or errno.EIO


def clone(plan: dict[str, Any]) -> list[Bound]:
    """Return what is to be bound, outermost first. Raises nothing: what cannot be cloned says so."""
    return [Bound(*one) for one in sorted(plan["bound"], key=lambda one: one[2])]


def attach(bound: list[Bound], points: list[str]) -> dict[str, int]:
    """Mount each where the sandbox is to see it; return the errno of each grant for which that failed.

    ``points`` are where file systems of the sandbox's own are mounted, in which anything can be made. All else is
    mounted before this, so that a stand-in takes along what lies in its folder.
    """
    room = _Room(points)
    failed: dict[str, int] = {}
    for one in bound:
        try:
            if one.errno:
                raise OSError(one.errno, "")
            place = room.place(one)
            try:
                ns.move_mount(one.fd, "", place, "", HERE)
            finally:
                os.close(place)
        except OSError as error:
            failed[one.grant] = error.errno or errno.EIO
        finally:
            if one.fd >= 0:
                os.close(one.fd)
    room.close()
    return failed


class _Room:
    """Finds or makes what is mounted on. Keeps a descriptor of every stand-in until all of them are sealed."""

    def __init__(self, points: list[str]) -> None:
        self._points = points
        self._own = {os.stat(point).st_dev for point in points}
        self._stands: list[int] = []

    def place(self, one: Bound) -> int:
        """Return a descriptor of what is at the path, made where nothing was. Raises OSError."""
        try:
            return open_path(one.target)
        except FileNotFoundError:
            pass
        folder, names = os.path.dirname(one.target), [os.path.basename(one.target)]
        while True:
            try:
                here = open_path(folder, os.O_RDONLY | os.O_DIRECTORY)
                break
            except FileNotFoundError:
                folder, name = os.path.split(folder)
                names.insert(0, name)
        try:
            if os.fstat(here).st_dev not in self._own:
                here = self._stand_in(folder, here)
            for name in names[:-1]:
                os.mkdir(name, 0o755, dir_fd=here)
                here = _instead(here, open_path(name, os.O_RDONLY | os.O_DIRECTORY, here))
            _empty(names[-1], here, is_dir=one.is_dir)
            return open_path(names[-1], at=here)
        finally:
            os.close(here)

    def close(self) -> None:
        """Make every stand-in read-only, as its folder was; what is mounted in it keeps its own mode."""
        for fd in self._stands:
            ns.mount_set_read_only(fd, recursive=False)
            os.close(fd)

    def _stand_in(self, folder: str, host: int) -> int:
        """Put a file system in the folder's place that has the same entries, and return it instead of ``host``.

        It is made aside and put there when it is whole. Owner and mode are the folder's; access control lists are not
        kept. Raises OSError: then there is none.
        """
        names = os.listdir(host)
        if len(names) > MOST or not self._points:
            raise OSError(errno.E2BIG if self._points else errno.EROFS, "")
        status = os.fstat(host)
        aside = f"{self._points[0]}/.openshell-stand-in"
        os.mkdir(aside, 0o700)
        try:
            ns.mount("tmpfs", aside, "tmpfs", ns.MS_NOSUID, f"mode={stat.S_IMODE(status.st_mode):o}")
            try:
                made = open_path(aside, os.O_RDONLY | os.O_DIRECTORY)
                try:
                    for name in names:
                        _entry(name, host, made, is_ptmx=f"{folder}/{name}" == PTMX)
                    _give(made, status)
                    ns.move_mount(made, "", host, "", HERE)
                except OSError:
                    os.close(made)
                    raise
            except OSError:
                ns.umount(aside, ns.MNT_DETACH)
                raise
        finally:
            os.rmdir(aside)
        self._own.add(os.fstat(made).st_dev)
        self._stands.append(os.dup(made))
        return _instead(host, made)


def _instead(old: int, new: int) -> int:
    os.close(old)
    return new


def _empty(name: str, folder: int, *, is_dir: bool) -> None:
    if is_dir:
        os.mkdir(name, 0o755, dir_fd=folder)
    else:
        os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=folder))


def _entry(name: str, host: int, made: int, *, is_ptmx: bool) -> None:
    """Give a stand-in an entry of the host's folder: a link again, all else mounted with what lies beneath it."""
    try:
        link = os.readlink(name, dir_fd=host)
    except OSError:  # no link
        link = None
    if link is not None:
        os.symlink(link, name, dir_fd=made)
        return
    entry = open_path("/dev/pts/ptmx") if is_ptmx else open_path(name, at=host)
    try:
        _empty(name, made, is_dir=stat.S_ISDIR(os.fstat(entry).st_mode))
        tree = ns.open_tree(entry, "", CLONE | ns.AT_RECURSIVE)
    finally:
        os.close(entry)
    try:
        place = open_path(name, at=made)
        try:
            ns.move_mount(tree, "", place, "", HERE)
        finally:
            os.close(place)
    finally:
        os.close(tree)


def _give(folder: int, status: os.stat_result) -> None:
    """Give a stand-in the folder's owner, where this user namespace has it: else it belongs to whom it is shown."""
    try:
        os.fchown(folder, status.st_uid, status.st_gid)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EPERM, errno.EOVERFLOW):
            raise
