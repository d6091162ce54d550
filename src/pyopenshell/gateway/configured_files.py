"""Files of the configuration folder: read with a bound, written whole, closed to others."""

from __future__ import annotations

import fcntl
import os

from pyopenshell.errors import StateError
from pyopenshell.state import config_root, remove_tree, write_whole

_LARGEST = 1 << 20
"""Bytes of a file that are read; real ones have a few thousand."""


def read(path: str) -> str:
    """Return a file's text. Raises FileNotFoundError, StateError for what cannot be read as text."""
    try:
        # Not blocking: a FIFO in its place must not hold the command for ever.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(fd, "rb") as file:
            data = file.read(_LARGEST + 1) or b""
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(path) from None
    except OSError as error:
        raise StateError(f"cannot read {path}: {error.strerror}", hint="its owner and mode must let you") from error
    if len(data) > _LARGEST:
        raise StateError(f"{path} is larger than a file of the configuration may be ({_LARGEST} bytes)")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise StateError(f"{path} is not text (UTF-8): byte {error.start}", hint="write it anew") from None


def put(path: str, data: bytes | None) -> None:
    """Write a file (mode 0600) that appears whole, or remove it for None; folders are made, closed to others.

    Raises StateError.
    """
    folder, name = os.path.split(path)
    if data is None and not os.path.lexists(path):
        return
    try:
        fd = _open(folder)
        try:
            if data is None:
                os.unlink(name, dir_fd=fd)
            else:
                write_whole(fd, name, data)
        except FileNotFoundError:
            pass  # removed by another in the same moment
        finally:
            os.close(fd)
    except OSError as error:
        raise unusable(error, path) from error


def remove(folder: str, name: str) -> None:
    """Remove what is called so in a folder, with all that is in it. Raises StateError."""
    try:
        fd = _open(folder)
        try:
            remove_tree(fd, name)
        finally:
            os.close(fd)
    except OSError as error:
        raise unusable(error, f"{folder}/{name}") from error


def unusable(error: OSError, path: str | None = None) -> StateError:
    """Return the error for a configuration folder that the kernel will not let us use."""
    return StateError(
        f"cannot use the configuration folder: {path or config_root()}: {error.strerror}",
        hint="it must be yours, writable and have room left; XDG_CONFIG_HOME moves it elsewhere",
    )


def _open(folder: str) -> int:
    """Open a folder below the configuration's and lock it; what is missing is made, writing by others ends.

    A configuration folder may be a symbolic link, as whoever keeps theirs under version control has it; the mode of
    what it leads to is left alone.
    """
    before = os.umask(0o077)
    try:
        os.makedirs(folder, exist_ok=True)
    finally:
        os.umask(before)
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    status = os.fstat(fd)
    if status.st_uid != os.geteuid():
        os.close(fd)
        raise StateError(
            f"{folder} belongs to uid {status.st_uid}, and this is uid {os.geteuid()}",
            hint="XDG_CONFIG_HOME names another configuration folder",
        )
    if status.st_mode & 0o022 and not os.path.islink(folder):
        os.fchmod(fd, status.st_mode & 0o7755)
    fcntl.flock(fd, fcntl.LOCK_EX)  # held for a write: whoever has it writes one small file
    return fd
