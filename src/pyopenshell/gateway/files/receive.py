"""The other end of a transfer: frames become files. For uploads it runs in the gateway, for downloads here.

Each entry is made by its name in an open folder, never through a link, and a file appears once it is whole. Frames are
a stranger's: whatever is out of order ends the transfer.
"""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING, Self

from pyopenshell.gateway.files.answers import is_name
from pyopenshell.gateway.files.order import Disorder, Order
from pyopenshell.gateway.files.place import Place
from pyopenshell.gateway.files.remote import CHUNK
from pyopenshell.gateway.files.send import UNTOLD
from pyopenshell.gateway.files.words import failed, shown
from pyopenshell.gateway.proto import files_pb2

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from typing import Any

    from pyopenshell.gateway.files.remote import RemoteFile, RemoteFiles
    from pyopenshell.gateway.proto.files_pb2 import FileEntry, FileFrame

BEHIND = 8
"""Chunks that are under way to the disk."""


class _Folder:
    """A folder that entries go into. One that was made here gets its mode and time once they are there."""

    def __init__(self, folder: RemoteFile, entry: FileEntry, *, made: bool) -> None:
        self.folder, self.entry, self.made = folder, entry, made


class _File:
    """A file that is being written."""

    def __init__(self, file: RemoteFile, entry: FileEntry) -> None:
        self.file, self.entry, self.size = file, entry, 0
        self.pending: deque[Awaitable[list[Any]]] = deque()


class Receiver:
    """Writes what frames say. An asynchronous context manager: what is not whole at its end is removed."""

    def __init__(self, files: RemoteFiles, destination: bytes, name: bytes, *, where: str = "") -> None:
        """Write to a destination, or beneath it under this name: see ``Place``. ``where`` as ``words.failed``.

        Raises Disorder for a name that is none.
        """
        if name and not is_name(name):
            raise Disorder(f"{shown(name[:80])!r} is no name of a file")
        self._files, self._where = files, where
        self._place = Place(files, destination, name)
        self._order = Order()
        self._folders: list[_Folder] = []
        self._file: _File | None = None
        self.summary = files_pb2.TransferSummary()

    async def __aenter__(self) -> Self:
        """Return it."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close all."""
        if self._file is not None:
            self._file.file.forget()
        for folder in self._folders:
            folder.folder.forget()

    async def take(self, frame: FileFrame) -> None:
        """Do what a frame says. Raises Disorder, FilesError, SandboxGone."""
        kind = frame.WhichOneof("payload")
        about = frame.entry.path if kind == "entry" else self._file.entry.path if self._file else b""
        try:
            if kind == "entry":
                await self._entry(frame.entry)
            elif kind == "data":
                await self._data(frame.data)
            elif kind == "end":
                await self._end(frame.end.problem)
            else:
                raise Disorder(f"a frame of another kind than an entry, data or an end: {kind}")
        except OSError as error:
            raise failed("write", self._place.of(about), error, self._where) from error

    async def finish(self) -> files_pb2.TransferSummary:
        """Complete the folders; return what was written. Raises Disorder where something is missing, FilesError."""
        if self._file is not None or not self._place.target:
            raise Disorder("the transfer ended too early")
        try:
            await self._leave(0)
            self.summary.path = await self._files.realpath(self._place.target)
        except OSError as error:
            raise failed("write", self._place.target, error, self._where) from error
        return self.summary

    async def _entry(self, entry: FileEntry) -> None:
        if self._file is not None:
            raise Disorder("a file was not ended before the next entry")
        is_folder = entry.kind == files_pb2.FILE_KIND_FOLDER
        depth, name = self._order.enter(entry.path, is_folder=is_folder)
        await self._leave(depth)
        base = self._folders[-1].folder if depth else None
        if depth == 0:
            name = await self._place.find(is_folder=is_folder)
        if is_folder:
            await self._enter(name, base, entry)
            self.summary.folders += 1
        elif entry.kind == files_pb2.FILE_KIND_FILE:
            await self._place.has_room(entry.size, base)
            self._file = _File(await self._files.create(name, base=base), entry)
        elif entry.kind == files_pb2.FILE_KIND_LINK and base is not None:
            await self._link(name, base, entry)
            self.summary.links += 1
        else:
            raise Disorder("an entry that is neither a file, a folder nor a link")

    async def _enter(self, name: bytes, base: RemoteFile | None, entry: FileEntry) -> None:
        made = True
        try:
            # Its owner must be able to write it until all is there.
            await self._files.mkdir(name, entry.mode & 0o777 | 0o700, base=base)
        except FileExistsError:
            made = False
        # What was there keeps its mode, and may be closed for reading; only the destination itself may be a link.
        flags = os.O_DIRECTORY | (os.O_RDONLY if made else os.O_PATH)
        flags |= 0 if base is None and self._place.may_follow else os.O_NOFOLLOW
        self._folders.append(_Folder(await self._files.open(name, flags, base=base), entry, made=made))

    async def _leave(self, depth: int) -> None:
        """Complete the folders that are deeper than this."""
        while len(self._folders) > depth:
            done = self._folders.pop()
            async with done.folder:
                if done.made:
                    times = done.entry.changed_ns, done.entry.changed_ns
                    await done.folder.change(mode=done.entry.mode, times=times)

    async def _link(self, name: bytes, base: RemoteFile, entry: FileEntry) -> None:
        """Make a link, in place of whatever has its name and is no folder."""
        try:
            await self._files.symlink(entry.target, name, base=base)
        except FileExistsError:
            new = b".openshell-%s" % os.urandom(8).hex().encode()
            await self._files.symlink(entry.target, new, base=base)
            try:
                await self._files.rename(new, name, replace=True, base=base)
            except OSError:
                await self._files.remove(new, base=base)
                raise
        times = entry.changed_ns, entry.changed_ns
        await self._files.change(name, times=times, follow=False, base=base)

    async def _data(self, data: bytes) -> None:
        file = self._file
        if file is None:
            raise Disorder("data that belong to no file")
        if len(data) > CHUNK or file.size + len(data) > (file.entry.size or UNTOLD):
            raise Disorder("more data than were announced")
        file.pending.append(await file.file.writing(file.size, data))
        file.size += len(data)
        while len(file.pending) > BEHIND:
            await file.pending.popleft()

    async def _end(self, problem: str) -> None:
        file, self._file = self._file, None
        if file is None:
            raise Disorder("an end that belongs to no file")
        async with file.file:
            for answer in file.pending:
                await answer
            if not problem:
                await file.file.commit(file.entry.mode, (file.entry.changed_ns, file.entry.changed_ns))
                self.summary.files += 1
                self.summary.bytes += file.size
