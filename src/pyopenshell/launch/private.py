"""The sandbox's private folders: where they are, with a mount namespace and without one.

With one: an empty ``/run``, a private ``/tmp``, ``/dev/shm`` and ``/dev/pts``, all gone with the sandbox, and
``/run/openshell`` for what the runtime itself needs. Without one: a fresh folder of mode 0700 on the host.
"""

from __future__ import annotations

import fcntl
import os
import stat
import time

from pyopenshell.effective.paths import MOUNT_POINTS, inside
from pyopenshell.errors import StateError
from pyopenshell.record import Record

INSIDE = "/run/openshell"
"""The runtime's own folder in a sandbox with a mount namespace; its parent is the sandbox's empty ``/run``."""
HOSTS, PREFIX = ("/tmp", "/var/tmp"), "openshell-"  # noqa: S108 - see make()
"""Where a folder of the host is made, the first that the operator has not declared, and how its name begins."""
RUN_ID = 26, frozenset("0123456789abcdefghjkmnpqrstvwxyz")
"""Length and letters of a run's id, which ends that name. Whatever else begins like it is somebody's own folder."""
YOUNG = 60
"""Seconds for which a folder without a lock is left alone: its run may be about to take it."""


class Private(Record):
    """Paths as the sandbox sees them.

    ``hide``: the mount points that an empty file system hides. ``root`` holds the runtime's own folders and is not
    granted itself; ``host`` says that it is a folder of the host, to be removed at the end. ``shm`` is None where
    none could be made private.
    """

    hide: tuple[str, ...]
    root: str
    tmp: str
    home: str
    cuda_cache: str
    canary: str
    shm: str | None
    host: bool


def folders(*, mount_namespace: bool, keep: frozenset[str], run_id: str) -> Private:
    """Return where the private folders will be. Makes nothing.

    ``keep`` holds the paths that the operator declared or works in: a mount point among them stays the host's.
    """
    hide = (
        tuple(point for point in MOUNT_POINTS if point not in keep and os.path.isdir(point)) if mount_namespace else ()
    )
    host = "/run" not in hide
    # What the operator declares around the canary could give it away.
    outside = (folder for folder in HOSTS if not any(path != "/" and inside(folder, path) for path in keep))
    root = f"{next(outside, HOSTS[0])}/{PREFIX}{run_id.lower()}" if host else INSIDE
    return Private(
        hide=hide,
        root=root,
        tmp="/tmp" if "/tmp" in hide else f"{root}/tmp",  # noqa: S108
        home=f"{root}/home",
        cuda_cache=f"{root}/cuda",
        canary=f"{root}/canary",
        shm="/dev/shm" if "/dev/shm" in hide else None,  # noqa: S108
        host=host,
    )


def make(private: Private, uid: int, gid: int) -> int:
    """Make the folders, owned by the sandbox's identity; the root itself stays ours. Returns its lock.

    The name holds the run's id, so it cannot be guessed before; mkdir fails on anything already there.
    Raises StateError when the host folder cannot be made.
    """
    own = uid == os.geteuid()
    try:
        os.mkdir(private.root, 0o700 if own else 0o711)
        os.chmod(private.root, 0o700 if own else 0o711)
        for path in (private.tmp, private.home, private.cuda_cache):
            if path.startswith(private.root):
                os.mkdir(path, 0o700)
                if not own:
                    os.chown(path, uid, gid)
        fd = os.open(private.canary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        os.fchmod(fd, 0o666)
        os.close(fd)
        return _lock(private.root)
    except OSError as error:
        raise StateError(
            f"cannot make the sandbox's private folder {private.root}: {error.strerror}",
            hint="the file system that holds it must be writable and have space",
            code="state.private-folder",
        ) from error


def remove(private: Private) -> None:
    """Remove the host folder with all that the sandbox left in it. Never follows a link out of it."""
    if private.host:
        remove_folder(private.root)


def sweep() -> None:
    """Remove the host folders of ours that nobody holds the lock of: their supervisor was killed."""
    for path in [f"{folder}/{name}" for folder in HOSTS for name in _listed(folder) if _is_ours(name)]:
        _remove_if_left(path, YOUNG)


def discard(run_id: str) -> None:
    """Remove the host folder of one run whose supervisor was killed."""
    for folder in HOSTS:
        _remove_if_left(f"{folder}/{PREFIX}{run_id.lower()}", 0)


def _remove_if_left(path: str, age: float) -> None:
    """Remove a folder of ours that nobody holds the lock of, if it is older than so many seconds (0: however old)."""
    try:
        info = os.lstat(path)
        old = not age or time.time() - info.st_mtime > age
        if stat.S_ISDIR(info.st_mode) and info.st_uid == os.geteuid() and old:
            os.close(_lock(path))
            remove_folder(path)
    except OSError:  # gone, or in use
        pass


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:  # not ours to see: we are in a sandbox, perhaps
        return []


def _is_ours(name: str) -> bool:
    prefix, run_id = name[: len(PREFIX)], name[len(PREFIX) :]
    length, letters = RUN_ID
    return prefix == PREFIX and len(run_id) == length and letters.issuperset(run_id)


def _lock(path: str) -> int:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        raise
    return fd


def remove_folder(root: str) -> None:
    """Remove a folder with all that a sandbox left in it; what cannot be removed stays.

    By descriptor: the folder belongs to another user, who may be swapping entries for links.

    Folders are moved up to the root before they are emptied: how deep they lie, and how many descriptors and stack
    frames that would take, was the sandbox's choice. What cannot be removed stays, where only its owner can enter.
    """
    top = _enter(root, None)
    if top is None:
        return
    moved = 0
    try:
        while names := os.listdir(f"/proc/self/fd/{top}"):
            for name in names:
                folder = _enter(name, top)
                if folder is None:
                    os.unlink(name, dir_fd=top)
                    continue
                for entry in os.listdir(f"/proc/self/fd/{folder}"):
                    inner = _enter(entry, folder)  # to be moved, a folder must be writable too
                    if inner is None:
                        os.unlink(entry, dir_fd=folder)
                        continue
                    os.close(inner)
                    moved += 1
                    os.rename(entry, f".openshell-{moved}", src_dir_fd=folder, dst_dir_fd=top)
                os.close(folder)
                os.rmdir(name, dir_fd=top)
        os.rmdir(root)
    except OSError:
        return
    finally:
        os.close(top)


def _enter(name: str, parent: int | None) -> int | None:
    """Open a folder to empty it, or return None for anything else. The sandbox may have closed it to everybody."""
    try:
        place = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        os.chmod(f"/proc/self/fd/{place}", 0o700)
    except OSError:
        return None
    return place
