"""What goes wrong in a transfer, in words: what, where, and what to do."""

from __future__ import annotations

import errno
import os

from pyopenshell.errors import OpenShellError

_DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)
_HINTS = {
    errno.ENOSPC: "make room there; what was written until then is complete",
    errno.EDQUOT: "make room there; what was written until then is complete",
    errno.EISDIR: "a folder has its name: remove that, or choose another destination",
    errno.ENOTDIR: "something on the way to it is no folder",
    errno.ELOOP: "a link is in its place, and links are not followed: remove that, or choose another destination",
}


class FilesError(OpenShellError):
    """Something cannot be read or written at one end of a transfer. The message names it."""

    code = "files"
    exit_code = 1


def failed(what: str, path: bytes, error: OSError, where: str = "") -> FilesError:
    """Return the error for a call that failed. ``what``: read, write; ``where``: `` in the sandbox``, or nothing."""
    number = error.errno or errno.EIO
    hint = _HINTS.get(number)
    if where and number in _DENIED:
        hint = f"`openshell why {'--write ' * (what == 'write')}-n NAME PATH` says what decides"
    return FilesError(
        f"cannot {what} {shown(path)}{where}: {reason(error)}",
        hint=hint,
        code="files.denied" if number in _DENIED else f"files.{what}",
    )


def reason(error: OSError) -> str:
    """Return the kernel's word for an error."""
    return os.strerror(error.errno or errno.EIO)


def shown(path: bytes) -> str:
    """Return a path as messages show it."""
    return path.decode("utf-8", "backslashreplace") or "."
