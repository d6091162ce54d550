"""Files of a sandbox, for the gateway's own use: ``async with RemoteFiles(connection) as files``.

Whatever path is named, the kernel decides inside the sandbox what becomes of it. Paths are bytes, or text that
``os.fsencode`` takes; relative ones start from the sandbox's working directory, or from an open folder (``base``).
Every method raises OSError as the call inside did, and SandboxGone once the agent has ended.
"""

from __future__ import annotations

import asyncio
import errno
import itertools
import os
from typing import TYPE_CHECKING, Any, Protocol, Self

from pyopenshell.gateway.files.answers import Space, Status
from pyopenshell.gateway.files.connection import Connection
from pyopenshell.launch import files_wire as wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable
    from socket import socket

    Path = bytes | str

CHUNK = wire.CHUNK
"""Bytes that can be read or written at once."""

__all__ = ["CHUNK", "RemoteFile", "RemoteFiles", "Space", "Status"]


class Asked(Protocol):
    """What is asked: a connection to an agent, or an agent itself."""

    async def __aenter__(self) -> Self:
        """Begin."""

    async def __aexit__(self, *exception: object) -> None:
        """End."""

    async def ask(self, operation: int, *values: Any, about: bytes = b"") -> list[Any]:
        """Return what is answered."""

    async def send(self, operation: int, *values: Any, about: bytes = b"") -> Awaitable[list[Any]]:
        """Return where the answer will be."""

    def forget(self, handle: int) -> None:
        """Have a handle closed."""


class RemoteFile:
    """An open file or folder. An asynchronous context manager, which closes it."""

    def __init__(self, files: RemoteFiles, handle: int, path: bytes) -> None:
        """Stand for this handle. ``path`` is what errors name."""
        self._files = files
        self.handle = handle
        self.path = path
        self.closed = False

    async def __aenter__(self) -> Self:
        """Return it."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close it, without waiting."""
        self.forget()

    async def read(self, offset: int, count: int) -> bytes:
        """Return up to ``count`` bytes (no more than ``CHUNK``), none at the end of the file."""
        data: bytes = (await (await self.reading(offset, count)))[0]
        return data

    async def reading(self, offset: int, count: int) -> Awaitable[list[Any]]:
        """Ask for bytes; the answer's first value will be they. More may be asked for meanwhile."""
        return await self._send(wire.READ, offset, count)

    async def write(self, offset: int, data: bytes) -> None:
        """Write all of ``data`` (no more than ``CHUNK``); at the end whatever the offset, where opened to append."""
        await (await self.writing(offset, data))

    async def writing(self, offset: int, data: bytes) -> Awaitable[list[Any]]:
        """Ask for bytes to be written. More may be asked for meanwhile; the answer says whether it succeeded."""
        if len(data) > CHUNK:
            raise OSError(errno.EMSGSIZE, os.strerror(errno.EMSGSIZE), os.fsdecode(self.path))
        return await self._send(wire.WRITE, offset, data)

    async def status(self) -> Status:
        """Return what fstat(2) does."""
        found: Status = (await (await self._send(wire.STATUS, b"", 1)))[0]
        return found

    async def change(
        self,
        *,
        mode: int | None = None,
        size: int | None = None,
        times: tuple[int, int] | None = None,
        owner: tuple[int, int] | None = None,
    ) -> None:
        """Change what is given, as ``RemoteFiles.change``."""
        await self._files.change(b"", mode=mode, size=size, times=times, owner=owner, base=self)

    async def sync(self) -> None:
        """Have it written to its medium (fsync(2))."""
        await (await self._send(wire.SYNC))

    async def space(self) -> Space:
        """Return what fstatvfs(3) does."""
        return await self._files.space(b"", base=self)

    async def entries(self) -> list[tuple[bytes, Status]]:
        """Return a folder's next entries, in the order of their names, as lstat(2) has them; none at the end.

        What the folder held is looked at once, by the first call.
        """
        return await (await self._send(wire.ENTRIES))

    async def commit(self, mode: int, times: tuple[int, int]) -> None:
        """Complete a file of ``RemoteFiles.create``: it gets its mode, its times and its name, and is closed."""
        self.closed = True
        await (await self._send(wire.COMMIT, mode, *times))

    async def close(self) -> None:
        """Close it. A file that was created and not committed is gone."""
        if not self.closed:
            self.closed = True
            await (await self._send(wire.CLOSE))

    def forget(self) -> None:
        """Close it without waiting, and without an error."""
        if not self.closed:
            self.closed = True
            self._files.connection.forget(self.handle)

    async def _send(self, operation: int, *values: Any) -> Awaitable[list[Any]]:
        return await self._files.connection.send(operation, self.handle, *values, about=self.path)


class RemoteFiles:
    """A file agent's client. An asynchronous context manager: closing it ends the agent."""

    def __init__(self, connection: socket) -> None:
        """Take over a socket whose other end an agent serves (``Supervised.files``)."""
        self.connection: Asked = Connection(connection)
        self._handles = itertools.count(wire.HERE + 1)

    async def __aenter__(self) -> Self:
        """Begin."""
        await self.connection.__aenter__()
        return self

    async def __aexit__(self, *exception: object) -> None:
        """End. Files that were created and not committed are gone."""
        await self.connection.__aexit__(*exception)

    async def open(
        self, path: Path, flags: int = os.O_RDONLY, mode: int = 0o666, *, base: RemoteFile | None = None
    ) -> RemoteFile:
        """Open a file or folder as openat(2) does. It never waits (a FIFO).

        Flags of ``os`` that count besides the mode are O_APPEND, O_CREAT, O_EXCL, O_TRUNC, O_DIRECTORY, O_NOFOLLOW
        and O_PATH. Set-user-id and set-group-id are taken off the mode.
        """
        return await self._open(wire.OPEN, path, base, flags, mode)

    async def create(self, path: Path, *, base: RemoteFile | None = None) -> RemoteFile:
        """Begin a new file that is seen, or replaces what has its name, once it is whole: see ``RemoteFile.commit``."""
        return await self._open(wire.CREATE, path, base)

    async def status(self, path: Path, *, follow: bool = True, base: RemoteFile | None = None) -> Status:
        """Return what stat(2) does, of a link itself what lstat(2) does with ``follow=False``."""
        found: Status = (await self._ask(wire.STATUS, path, base, int(follow)))[0]
        return found

    async def change(
        self,
        path: Path,
        *,
        mode: int | None = None,
        size: int | None = None,
        times: tuple[int, int] | None = None,
        owner: tuple[int, int] | None = None,
        follow: bool = True,
        base: RemoteFile | None = None,
    ) -> None:
        """Change what is given: mode (the lower bits), size in bytes, times of access and change (ns), uid and gid."""
        which = (
            (mode is not None) * wire.CHANGE_MODE
            | (size is not None) * wire.CHANGE_SIZE
            | (times is not None) * wire.CHANGE_TIMES
            | (owner is not None) * wire.CHANGE_OWNER
        )
        values = (which, mode or 0, size or 0, *(times or (0, 0)), *(owner or (-1, -1)))
        await self._ask(wire.CHANGE, path, base, int(follow), *values)

    async def entries(self, path: Path, *, base: RemoteFile | None = None) -> AsyncIterator[tuple[bytes, Status]]:
        """Yield the entries of a folder, in the order of their names, as lstat(2) has them."""
        async with await self.open(path, os.O_RDONLY | os.O_DIRECTORY, base=base) as folder:
            while entries := await folder.entries():
                for entry in entries:
                    yield entry

    async def mkdir(self, path: Path, mode: int = 0o777, *, base: RemoteFile | None = None) -> None:
        """Make a folder."""
        await self._ask(wire.MAKE_FOLDER, path, base, mode)

    async def rmdir(self, path: Path, *, base: RemoteFile | None = None) -> None:
        """Remove an empty folder."""
        await self._ask(wire.REMOVE, path, base, 1)

    async def remove(self, path: Path, *, base: RemoteFile | None = None) -> None:
        """Remove what is not a folder."""
        await self._ask(wire.REMOVE, path, base, 0)

    async def rename(self, path: Path, new: Path, *, replace: bool = False, base: RemoteFile | None = None) -> None:
        """Give a file another name; raises FileExistsError where there is one already and it is not to be replaced."""
        old, folder = os.fsencode(path), _handle(base)
        await self.connection.ask(wire.RENAME, folder, old, folder, os.fsencode(new), int(replace), about=old)

    async def readlink(self, path: Path, *, base: RemoteFile | None = None) -> bytes:
        """Return where a link points."""
        target: bytes = (await self._ask(wire.READ_LINK, path, base))[0]
        return target

    async def symlink(self, target: Path, path: Path, *, base: RemoteFile | None = None) -> None:
        """Make a symbolic link at ``path``."""
        await self._link(target, path, base, hard=False)

    async def link(self, target: Path, path: Path, *, base: RemoteFile | None = None) -> None:
        """Make a hard link at ``path``; ``target`` starts from the working directory."""
        await self._link(target, path, base, hard=True)

    async def realpath(self, path: Path) -> bytes:
        """Return the absolute path without links; the last parts need not be there."""
        found: bytes = (await self.connection.ask(wire.REAL_PATH, os.fsencode(path), about=os.fsencode(path)))[0]
        return found

    async def space(self, path: Path, *, base: RemoteFile | None = None) -> Space:
        """Return what statvfs(3) does."""
        found: Space = (await self._ask(wire.SPACE, path, base))[0]
        return found

    async def _link(self, target: Path, path: Path, base: RemoteFile | None, *, hard: bool) -> None:
        name = os.fsencode(path)
        await self.connection.ask(wire.LINK, os.fsencode(target), _handle(base), name, int(hard), about=name)

    async def _ask(self, operation: int, path: Path, base: RemoteFile | None, *values: int) -> list[Any]:
        name = os.fsencode(path)
        about = name or (base.path if base else b"")
        return await self.connection.ask(operation, _handle(base), name, *values, about=about)

    async def _open(self, operation: int, path: Path, base: RemoteFile | None, *values: int) -> RemoteFile:
        name = os.fsencode(path)
        handle = next(self._handles)
        try:
            await self.connection.ask(operation, handle, _handle(base), name, *values, about=name)
        except asyncio.CancelledError:  # the agent may have opened it, or be about to
            self.connection.forget(handle)
            raise
        return RemoteFile(self, handle, name)


def _handle(base: RemoteFile | None) -> int:
    return base.handle if base else wire.HERE
