"""Make the declared read-write folders that are missing, by descriptor, so that no symlink can steer it elsewhere."""

from __future__ import annotations

import errno
import os

from pyopenshell.kernel import process

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def make_folder(path: str, uid: int, gid: int) -> tuple[int, bool]:
    """Open the folder, making it if it is missing. Returns a descriptor on it and whether it was made.

    Only the last component is ever made. No symlink is followed on the way (openat2(2), RESOLVE_NO_SYMLINKS):
    as root, a link planted by the sandbox's last run would otherwise decide what is made and given away.
    What existed keeps its owner. Raises OSError.
    """
    parent, name = os.path.split(path)
    folder = process.openat2(
        process.AT_FDCWD, parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, 0, process.RESOLVE_NO_SYMLINKS
    )
    try:
        try:
            os.mkdir(name, 0o755, dir_fd=folder)
        except OSError as error:
            if error.errno != errno.EEXIST:
                raise
            return os.open(name, _FOLDER, dir_fd=folder), False
        fd = os.open(name, _FOLDER, dir_fd=folder)
    finally:
        os.close(folder)
    if uid != os.geteuid():
        _give(fd, uid, gid)
    return fd, True


def _give(fd: int, uid: int, gid: int) -> None:
    """Give the new folder away, unless another one has been put in its place since (ESTALE).

    Who owns the parent can do that: what is given must be ours, and empty.
    """
    if os.fstat(fd).st_uid != os.geteuid() or os.listdir(fd):
        os.close(fd)
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
    os.fchown(fd, uid, gid)
