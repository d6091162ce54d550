"""One end of a transfer: what a path stands for, as frames. For downloads it runs in the gateway, for uploads here.

Nothing is followed but the path itself: links inside are sent as links, and each entry is opened by its name in an open
folder. What cannot be read, or is no file, folder or link, is left out and told.
"""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING

from pyopenshell.gateway.files.order import MAX_DEPTH
from pyopenshell.gateway.files.remote import CHUNK
from pyopenshell.gateway.files.words import FilesError, failed, reason, shown
from pyopenshell.gateway.proto import files_pb2
from pyopenshell.gateway.proto.files_pb2 import FileFrame

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable
    from typing import Any

    from pyopenshell.gateway.files.ignore import Ignore
    from pyopenshell.gateway.files.remote import RemoteFile, RemoteFiles, Status

AHEAD = 4
"""Chunks that are asked for before the first of them is sent."""
UNTOLD = 64 << 20
"""Bytes of a file that tells no size (procfs), at most."""


async def frames(
    files: RemoteFiles, path: bytes, *, where: str = "", ignore: Ignore | None = None
) -> AsyncIterator[FileFrame]:
    """Yield the frames of a transfer. Raises FilesError where the path itself cannot be read.

    ``where`` as ``words.failed``.
    """
    sender = _Sender(files, ignore)
    try:
        try:
            status = await files.status(path)
            if status.is_folder:
                await sender.enter(path, b"", None)
        except OSError as error:
            raise failed("read", path, error, where) from error
        if status.is_folder:
            yield entry(files_pb2.FILE_KIND_FOLDER, b"", status)
            async for frame in sender.folder():
                yield frame
            return
        if not status.is_file:
            raise FilesError(f"{shown(path)}{where} is neither a file nor a folder", code="files.read")
        async for frame in sender.file(path, b"", None, os.O_RDONLY):
            if frame.HasField("notice") and frame.notice.missing:
                raise FilesError(f"cannot read {shown(path)}{where}: {frame.notice.message}", code="files.read")
            yield frame
    finally:
        sender.close()


def entry(kind: files_pb2.FileKind, path: bytes, status: Status, target: bytes = b"") -> FileFrame:
    """Return what announces an entry."""
    size = status.size if kind == files_pb2.FILE_KIND_FILE else 0
    return FileFrame(
        entry=files_pb2.FileEntry(
            path=path, kind=kind, mode=status.mode & 0o1777, changed_ns=status.changed, size=size, target=target
        )
    )


def notice(path: bytes, message: str, *, missing: bool = True) -> FileFrame:
    """Return what tells of something that was left out."""
    return FileFrame(notice=files_pb2.FileNotice(path=path, message=message, missing=missing))


class _Level:
    """A folder that is being sent, its path in the transfer, and its entries that are known and not sent yet."""

    def __init__(self, folder: RemoteFile, path: bytes) -> None:
        self.folder, self.path = folder, path
        self.entries: deque[tuple[bytes, Status]] = deque()


class _Sender:
    def __init__(self, files: RemoteFiles, ignore: Ignore | None) -> None:
        self._files, self._ignore = files, ignore
        self._levels: list[_Level] = []

    def close(self) -> None:
        for level in self._levels:
            level.folder.forget()

    async def enter(self, name: bytes, path: bytes, base: RemoteFile | None) -> None:
        """Open a folder, to send its entries next. Raises OSError."""
        flags = os.O_RDONLY | os.O_DIRECTORY | (os.O_NOFOLLOW if base else 0)
        level = _Level(await self._files.open(name, flags, base=base), path)
        self._levels.append(level)
        if self._ignore:
            self._ignore.enter(path, await _rules(self._files, level.folder))

    async def folder(self) -> AsyncIterator[FileFrame]:
        """Yield all that is in the folder that was entered."""
        while self._levels:
            level = self._levels[-1]
            if not level.entries:
                try:
                    level.entries.extend(await level.folder.entries())
                except OSError as error:
                    yield notice(level.path, reason(error))
            if not level.entries:
                level.folder.forget()
                self._levels.pop()
                if self._ignore:
                    self._ignore.leave()
                continue
            name, status = level.entries.popleft()
            path = level.path + b"/" + name if level.path else name
            if self._ignore and self._ignore.ignores(path, is_folder=status.is_folder):
                continue
            async for frame in self._entry(level.folder, name, path, status):
                yield frame

    async def _entry(self, base: RemoteFile, name: bytes, path: bytes, status: Status) -> AsyncIterator[FileFrame]:
        if status.is_file:
            async for frame in self.file(name, path, base, os.O_RDONLY | os.O_NOFOLLOW):
                yield frame
            return
        try:
            if status.is_folder and len(self._levels) > MAX_DEPTH:
                yield notice(path, f"folders are nested more than {MAX_DEPTH} deep")
            elif status.is_folder:
                await self.enter(name, path, base)
                yield entry(files_pb2.FILE_KIND_FOLDER, path, status)
            elif status.is_link:
                yield entry(files_pb2.FILE_KIND_LINK, path, status, await self._files.readlink(name, base=base))
            else:
                yield notice(path, "it is neither a file, a folder nor a link", missing=False)
        except OSError as error:
            yield notice(path, reason(error))

    async def file(self, name: bytes, path: bytes, base: RemoteFile | None, flags: int) -> AsyncIterator[FileFrame]:
        """Yield a file: its entry, its data as far as it was long when it was opened, its end."""
        try:
            file = await self._files.open(name, flags, base=base)
        except OSError as error:
            yield notice(path, reason(error))
            return
        async with file:
            try:
                status = await file.status()
            except OSError as error:
                yield notice(path, reason(error))
                return
            if not status.is_file:
                yield notice(path, "it was replaced by something else just now")
                return
            yield entry(files_pb2.FILE_KIND_FILE, path, status)
            try:
                async for data in _chunks(file, status.size):
                    yield FileFrame(data=data)
                after = await file.status()
            except OSError as error:
                yield FileFrame(end=files_pb2.FileEnd(problem=reason(error)))
                return
            yield FileFrame(end=files_pb2.FileEnd())
            if (after.size, after.changed) != (status.size, status.changed):
                yield notice(path, "it changed while it was read", missing=False)


async def _chunks(file: RemoteFile, size: int) -> AsyncIterator[bytes]:
    """Yield a file's bytes, no more than ``size``; where that is 0, what there is."""
    until = size or UNTOLD
    offset = asked = 0
    pending: deque[tuple[int, Awaitable[list[Any]]]] = deque()
    while offset < until:
        while asked < until and len(pending) < (AHEAD if size else 1):
            count = min(CHUNK, until - asked)
            pending.append((count, await file.reading(asked, count)))
            asked += count
        count, answer = pending.popleft()
        data: bytes = (await answer)[0]
        if not data:
            return
        yield data
        offset += len(data)
        if len(data) < count:  # what was asked for behind it does not begin where this ends
            pending.clear()
            asked = offset


async def _rules(files: RemoteFiles, folder: RemoteFile) -> bytes:
    """Return a folder's ``.gitignore``; nothing where it cannot be read."""
    try:
        async with await files.open(b".gitignore", os.O_RDONLY | os.O_NOFOLLOW, base=folder) as file:
            return await file.read(0, CHUNK)
    except OSError:
        return b""
