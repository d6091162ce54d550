"""The state folder: where it is, that it is ours alone, and how what it holds is written, removed and locked."""

from __future__ import annotations

import errno
import fcntl
import os
import time

from pyopenshell.errors import StateError

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
"""How a folder of ours is opened: a symbolic link in its place is refused."""
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
_PATIENCE = 10.0
"""Seconds to wait for a lock that others hold for about a millisecond."""


def state_root() -> str:
    """Return the state folder: ``$XDG_STATE_HOME/openshell``, else below ~/.local/state, or /var/lib for root."""
    return _xdg("XDG_STATE_HOME", "/var/lib" if os.geteuid() == 0 else "~/.local/state")


def config_root() -> str:
    """Return the configuration folder: ``$XDG_CONFIG_HOME/openshell``, else ``~/.config/openshell``."""
    return _xdg("XDG_CONFIG_HOME", "~/.config")


def _xdg(variable: str, default: str) -> str:
    chosen = os.environ.get(variable, "")
    # A relative path is to be ignored: XDG Base Directory Specification.
    base = chosen if chosen.startswith("/") else os.path.expanduser(default)
    if not base.startswith("/"):
        raise StateError("no home folder is known", hint=f"set HOME or {variable} to an absolute path")
    return base.rstrip("/") + "/openshell"


def open_folder(path: str) -> int:
    """Open a folder that is ours alone, making it (mode 0700) and its parents where they are missing.

    Raises StateError when it is a symbolic link, belongs to someone else or can be written by others; OSError.
    """
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        pass
    except FileNotFoundError:
        before = os.umask(0o077)  # makedirs gives its mode to the last folder alone
        try:
            os.makedirs(path, exist_ok=True)
        finally:
            os.umask(before)
    try:
        fd = os.open(path, FOLDER)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise _refused(path, "it is a symbolic link, or no folder") from error
        raise
    status, me = os.fstat(fd), os.geteuid()
    problem = None
    if status.st_uid != me:
        problem = f"it belongs to uid {status.st_uid}, and this is uid {me}"
    elif status.st_mode & 0o022:
        problem = f"others may write to it (mode {status.st_mode & 0o7777:04o})"
    if problem:
        os.close(fd)
        raise _refused(path, problem)
    if status.st_mode & 0o055:
        os.fchmod(fd, 0o700)
    return fd


def _refused(path: str, why: str) -> StateError:
    return StateError(
        f"the state folder {path} is not safe to use: {why}",
        hint="make it a folder of yours with mode 0700, or set XDG_STATE_HOME to another place",
    )


def unusable(path: str, error: OSError) -> StateError:
    """Return the error for a state folder that the kernel will not let us use: full, read-only, not ours."""
    return StateError(
        f"cannot use the state folder {path}: {error.strerror}",
        hint="it must be writable and have room left; XDG_STATE_HOME moves it elsewhere",
    )


def lock(fd: int, path: str) -> None:
    """Lock an open folder for ourselves alone (flock(2)). Raises StateError after 10 seconds, OSError."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise StateError(
                    f"another process has held the lock on {path} for {_PATIENCE:.0f} seconds",
                    hint="see which with lslocks(8): it may have been stopped",
                ) from None
            time.sleep(0.002)


def is_locked(path: str, within: int | None = None) -> bool:
    """Return whether a process holds the lock on a folder; a missing one is not locked. Raises OSError.

    Asking takes a shared lock for an instant, which other askers do not see.
    """
    try:
        fd = os.open(path, FOLDER & ~os.O_NOFOLLOW, dir_fd=within)
    except (FileNotFoundError, NotADirectoryError):
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def write_whole(folder: int, filename: str, data: bytes) -> None:
    """Write a file (mode 0600) that appears with all of its content or not at all. Raises OSError."""
    temporary = f".tmp-{filename}"
    fd = os.open(temporary, _WRITE, 0o600, dir_fd=folder)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(fd, rest) :]
        os.rename(temporary, filename, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        os.unlink(temporary, dir_fd=folder)
        raise
    finally:
        os.close(fd)


def remove_tree(folder: int, name: str) -> None:
    """Remove a file, or a folder with all that is in it, without following symbolic links. Raises OSError."""
    try:
        os.unlink(name, dir_fd=folder)
        return
    except IsADirectoryError:
        pass
    fd = os.open(name, FOLDER, dir_fd=folder)
    try:
        for entry in os.listdir(fd):
            remove_tree(fd, entry)
    finally:
        os.close(fd)
    os.rmdir(name, dir_fd=folder)
