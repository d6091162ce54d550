"""Where a transfer goes: what a destination means, as cp(1) has it."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from pyopenshell.gateway.files.order import MAX_DEPTH

if TYPE_CHECKING:
    from pyopenshell.gateway.files.remote import RemoteFile, RemoteFiles

LOOK = 16 << 20
"""Bytes from which on there is a look whether a file has room."""


class Place:
    """A destination and a name.

    The name is what the transfer gets in a destination that is a folder, or that ends with ``/``; else the destination
    is it. With an empty name a folder's entries go into the destination. Folders on the way are made.
    """

    def __init__(self, files: RemoteFiles, destination: bytes, name: bytes) -> None:
        """Mean this place; an empty destination is the working directory."""
        self._files, self._destination, self._name = files, destination or b".", name
        self.target = b""
        self.may_follow = False
        """Whether the target is just what somebody wrote, and so may be a link to a folder."""

    async def find(self, *, is_folder: bool) -> bytes:
        """Return the path to write to, once the folders on the way are there. Raises OSError."""
        destination = self._destination
        try:
            into = (await self._files.status(destination)).is_folder
        except FileNotFoundError:
            into = False
        into = into or destination.endswith(b"/")
        if into and self._name:
            self.target = destination.rstrip(b"/") + b"/" + self._name
        elif into and not is_folder:
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fsdecode(destination))
        else:
            self.target = destination.rstrip(b"/") or b"/"
            self.may_follow = True
        await self._make(os.path.dirname(self.target))
        return self.target

    def of(self, path: bytes) -> bytes:
        """Return where an entry goes, for messages."""
        whole = self.target or self._destination
        return whole + b"/" + path if path else whole

    async def has_room(self, size: int, base: RemoteFile | None) -> None:
        """Raise OSError, ENOSPC, where a file of this size has no room next to what is there."""
        if size < LOOK:
            return
        space = await self._files.space(b"." if base else os.path.dirname(self.target) or b".", base=base)
        if size > space.available * space.fragment:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    async def _make(self, folder: bytes) -> None:
        """Make a folder with those that it lies in, as far as they are missing."""
        missing: list[bytes] = []
        while folder and len(missing) <= MAX_DEPTH:
            try:
                await self._files.mkdir(folder)
                break
            except FileExistsError:
                break
            except FileNotFoundError:
                missing.append(folder)
                folder = os.path.dirname(folder)
        for folder in reversed(missing):
            try:
                await self._files.mkdir(folder)
            except FileExistsError:
                continue
