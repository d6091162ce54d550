"""The order in which a transfer names its entries, checked by whoever is told them.

Strictly ascending names in each folder, and each folder's entries right behind it: that a name comes twice, or beneath
what is no folder, is then seen with no more memory than the path at hand takes.
"""

from __future__ import annotations

from pyopenshell.errors import UsageError
from pyopenshell.gateway.files.answers import is_name
from pyopenshell.launch.files_wire import MAX_PATH

MAX_DEPTH = 128
"""Folders in one another: each one on the way to an entry is open, and an agent has 256 handles."""
MAX_ENTRIES = 1_000_000


class Disorder(UsageError):
    """Entries that no honest side sends: a path that leaves the folder, a name twice, more than there may be."""

    code = "files.refused"
    exit_code = 1


class Order:
    """The place in a walk."""

    def __init__(self) -> None:
        """Begin before the first entry."""
        self._count = 0
        self._folders: list[bytes] = []
        self._last: list[bytes] = []

    def enter(self, path: bytes, *, is_folder: bool) -> tuple[int, bytes]:
        """Take the next entry; return how many folders its own lies in, and its name. Raises Disorder.

        The first one has an empty path, depth and name. Folders that are as deep as the entry are over.
        """
        self._count += 1
        if self._count > MAX_ENTRIES:
            raise Disorder(f"there are more than {MAX_ENTRIES:,} files", hint="transfer its folders one by one")
        if self._count == 1:
            if path:
                raise _refused(path, "it is the first, and must be what is transferred itself")
            if is_folder:
                self._last.append(b"")
            return 0, b""
        if len(path) > MAX_PATH:
            raise _refused(path, f"it has more than {MAX_PATH} bytes")
        *folders, name = path.split(b"/")
        if not all(map(is_name, (*folders, name))):
            raise _refused(path, "it is not made of plain names")
        depth = len(folders)
        if depth >= len(self._last) or folders != self._folders[:depth]:
            raise _refused(path, "it is not in a folder that was named just before")
        if depth == MAX_DEPTH:
            raise _refused(path, f"folders are nested more than {MAX_DEPTH} deep")
        if name <= self._last[depth]:
            raise _refused(path, "it comes twice, or not in the order of the names")
        del self._last[depth + 1 :], self._folders[depth:]
        self._last[depth] = name
        if is_folder:
            self._last.append(b"")
            self._folders.append(name)
        return depth + 1, name


def _refused(path: bytes, why: str) -> Disorder:
    shown = path if len(path) <= 80 else path[:77] + b"..."
    return Disorder(f"refused {shown.decode('utf-8', 'backslashreplace')!r}: {why}")
