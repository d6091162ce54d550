"""Spec files as they lie in folders: opened with care, read whole, and what is wrong with them as files.

Nothing is opened that is no regular file: a pipe would wait, a device could act.
"""

from __future__ import annotations

import errno
import os
import stat

from pyopenshell.devices.cdi.names import quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyopenshell.devices.cdi.document import Note

ENDINGS = (".yaml", ".json")
"""What engines read; they pass over all other files of a folder."""
MAX_SIZE = 16 << 20
"""Bytes of a spec. A node of eight GPUs with MIG is about 200 KiB."""
_NEARLY = (".yaml", ".yml", ".json")
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def is_spec(name: str) -> bool:
    """Whether engines take a file of this name for a spec."""
    return name.endswith(ENDINGS)


def is_nearly(name: str) -> bool:
    """Whether a file of this name was probably meant for a spec, and is none to engines."""
    return not is_spec(name) and name.lower().endswith(_NEARLY)


def other_ending(path: str, note: Note, mend: str | None = None) -> None:
    """Note that engines pass over a file."""
    name = os.path.basename(path)
    note("ending", f"engines pass over {name}: they read only files whose names end in .yaml or .json", mend)


def renaming(path: str) -> str | None:
    """Return the command that gives a spec the ending it needs, None where that would replace another file."""
    head, ending = os.path.splitext(path)
    right = f"{head if ending.lower() in _NEARLY else path}{'.json' if ending.lower() == '.json' else '.yaml'}"
    return None if os.path.lexists(right) else f"mv {quoted(path)} {quoted(right)}"


def load(path: str, note: Note) -> bytes | None:
    """Return a file's bytes, or None after noting why not."""
    try:
        # Before opening: opening a device can do things (a tape rewinds, a watchdog starts).
        if not _is_regular(os.stat(path).st_mode, path, note):
            return None
        # O_NONBLOCK and O_NOCTTY in case it was exchanged: opening a pipe would wait, a terminal become ours.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except (OSError, ValueError) as error:
        _unopened(path, error, note)
        return None
    try:
        return _all(fd, note) if _is_regular(os.fstat(fd).st_mode, path, note) else None
    except OSError as error:
        note("unreadable", f"cannot be read: {error.strerror}")
        return None
    finally:
        os.close(fd)


def _is_regular(mode: int, path: str, note: Note) -> bool:
    """Whether this is a regular file; what else it is, is noted."""
    if stat.S_ISREG(mode):
        return True
    link = "a link to " if os.path.islink(path) else ""
    note("not-a-file", f"{link}{_KINDS.get(stat.S_IFMT(mode), 'something else')}, not a file")
    return False


def _all(fd: int, note: Note) -> bytes | None:
    """Return all bytes, or None after noting that they are too many."""
    pieces, left = [], MAX_SIZE + 1
    while left and (piece := os.read(fd, left)):
        pieces.append(piece)
        left -= len(piece)
    if left:
        return b"".join(pieces)
    note("too-large", f"larger than {MAX_SIZE >> 20} MiB")
    return None


def _unopened(path: str, error: OSError | ValueError, note: Note) -> None:
    """Note why a file cannot be opened."""
    code = getattr(error, "errno", None)
    if code == errno.ELOOP:
        note("link-cycle", "links that lead to each other in a circle")
    elif code == errno.ENOENT and os.path.islink(path):
        note("dangling-link", f"a link to {os.readlink(path)}, which is not there")
    else:
        message = getattr(error, "strerror", None) or str(error)
        mend = f"chmod a+r {quoted(path)}" if code in (errno.EACCES, errno.EPERM) else "write the file again"
        note("unreadable", f"cannot be opened: {message}", mend)
