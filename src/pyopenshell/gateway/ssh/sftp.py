"""SFTP and SCP: every operation is done by the file agent inside the sandbox, none by this process.

asyncssh's own server works on the files of the process it runs in, so every method of it that could is replaced here;
a test holds the two lists against each other.
"""

from __future__ import annotations

import asyncio
import errno
import os
from contextlib import suppress
from typing import TYPE_CHECKING, cast

import asyncssh
from asyncssh import SFTPAttrs, SFTPName, SFTPVFSAttrs

from pyopenshell.errors import OpenShellError
from pyopenshell.gateway.files.remote import CHUNK, RemoteFile, RemoteFiles
from pyopenshell.gateway.ssh.sftp_values import attributes, changes, flags_of, flags_of_access

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable
    from typing import Any, TypeVar

    from asyncssh.channel import SSHChannel
    from asyncssh.stream import SSHServerStreamSession

    from pyopenshell.gateway.files.remote import Space
    from pyopenshell.gateway.ssh.visit import Visit

    T = TypeVar("T")

_DENIED = (errno.EPERM, errno.EROFS)
FILES = 200
"""Files open at a time; an agent has room for 256 handles."""


class SandboxFiles(asyncssh.SFTPServer):
    """The files of a sandbox, for one client. Requests are served one after another, as asyncssh asks for them."""

    def __init__(self, chan: SSHChannel[bytes], visit: Visit, session: SSHServerStreamSession[bytes]) -> None:
        """Connect to nothing yet: what fails then can be told as an answer to the first request."""
        super().__init__(cast("asyncssh.SSHServerChannel[bytes]", chan))
        self._visit, self._session = visit, session
        self._agent: RemoteFiles | None = None
        self._open = 0

    async def _files(self) -> RemoteFiles:
        if self._agent is None:
            self._agent = await RemoteFiles(await self._visit.supervised.files()).__aenter__()
        return self._agent

    async def _do(self, method: Any, *values: Any, **named: Any) -> Any:
        """Return what a method of the agent's client returns. Raises OSError, SFTPError."""
        try:
            files = await self._files()
        except OpenShellError as error:
            raise asyncssh.SFTPConnectionLost(error.message) from error
        return await _told(method(files, *values, **named))

    async def open(self, path: bytes, pflags: int, attrs: SFTPAttrs) -> object:
        """Open a file (SFTP 3)."""
        return await self._opened(path, flags_of(pflags), attrs)

    async def open56(self, path: bytes, desired_access: int, flags: int, attrs: SFTPAttrs) -> object:
        """Open a file (SFTP 5 and 6)."""
        return await self._opened(path, flags_of_access(desired_access, flags), attrs)

    async def _opened(self, path: bytes, flags: int, attrs: SFTPAttrs) -> RemoteFile:
        if self._open >= FILES:
            raise asyncssh.SFTPFailure(f"{FILES} files are open: close some")
        mode = 0o666 if attrs.permissions is None else attrs.permissions & 0o7777
        file: RemoteFile = await self._do(RemoteFiles.open, path or b".", flags, mode)
        self._open += 1
        return file

    async def close(self, file_obj: object) -> None:
        """Close a file."""
        self._open -= 1
        await _told(_file(file_obj).close())

    async def read(self, file_obj: object, offset: int, size: int) -> bytes:
        """Read; not before the client has taken what was read before."""
        await self._session.drain(None)
        await self._visit.link.room()
        file = _file(file_obj)
        parts = []
        while size > 0:
            part = await _told(file.read(offset, min(size, CHUNK)))
            parts.append(part)
            offset, size = offset + len(part), size - len(part)
            if not part:
                break
        return b"".join(parts)

    async def write(self, file_obj: object, offset: int, data: bytes) -> int:
        """Write all of the data."""
        file = _file(file_obj)
        for at in range(0, len(data), CHUNK):
            await _told(file.write(offset + at, data[at : at + CHUNK]))
        return len(data)

    async def lstat(self, path: bytes) -> SFTPAttrs:
        """Tell of a file, or of a link itself."""
        return attributes(await self._do(RemoteFiles.status, path or b".", follow=False))

    async def stat(self, path: bytes) -> SFTPAttrs:
        """Tell of a file."""
        return attributes(await self._do(RemoteFiles.status, path or b"."))

    async def fstat(self, file_obj: object) -> SFTPAttrs:
        """Tell of an open file."""
        return attributes(await _told(_file(file_obj).status()))

    async def setstat(self, path: bytes, attrs: SFTPAttrs) -> None:
        """Change what is told of a file."""
        await self._do(RemoteFiles.change, path or b".", **changes(attrs))

    async def lsetstat(self, path: bytes, attrs: SFTPAttrs) -> None:
        """Change what is told of a file, or of a link itself."""
        await self._do(RemoteFiles.change, path or b".", follow=False, **changes(attrs))

    async def fsetstat(self, file_obj: object, attrs: SFTPAttrs) -> None:
        """Change what is told of an open file."""
        await _told(_file(file_obj).change(**changes(attrs)))

    async def scandir(self, path: bytes) -> AsyncIterator[SFTPName]:
        """Yield the entries of a folder, but for SCP, which has no word for a link, what links lead to."""
        follows = self.channel.get_subsystem() is None
        folder: RemoteFile = await self._do(RemoteFiles.open, path or b".", os.O_RDONLY | os.O_DIRECTORY)
        try:
            while entries := await _told(folder.entries()):
                for name, status in entries:
                    if follows and status.is_link:
                        with suppress(OSError):
                            status = await self._do(RemoteFiles.status, name, base=folder)  # noqa: PLW2901
                    yield SFTPName(name, attrs=attributes(status))
        finally:
            folder.forget()

    async def remove(self, path: bytes) -> None:
        """Remove a file."""
        await self._do(RemoteFiles.remove, path)

    async def mkdir(self, path: bytes, attrs: SFTPAttrs) -> None:
        """Make a folder."""
        mode = 0o777 if attrs.permissions is None else attrs.permissions & 0o7777
        await self._do(RemoteFiles.mkdir, path, mode)

    async def rmdir(self, path: bytes) -> None:
        """Remove a folder."""
        await self._do(RemoteFiles.rmdir, path)

    async def realpath(self, path: bytes) -> bytes:
        """Return the absolute path without links. A relative one starts from the sandbox's working directory."""
        found: bytes = await self._do(RemoteFiles.realpath, path or b".")
        return found

    async def rename(self, oldpath: bytes, newpath: bytes) -> None:
        """Give a file another name that is not taken."""
        await self._do(RemoteFiles.rename, oldpath, newpath)

    async def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
        """Give a file another name, whether that is taken or not."""
        await self._do(RemoteFiles.rename, oldpath, newpath, replace=True)

    async def readlink(self, path: bytes) -> bytes:
        """Return where a link points."""
        found: bytes = await self._do(RemoteFiles.readlink, path)
        return found

    async def symlink(self, oldpath: bytes, newpath: bytes) -> None:
        """Make a symbolic link at ``newpath``."""
        await self._do(RemoteFiles.symlink, oldpath, newpath)

    async def link(self, oldpath: bytes, newpath: bytes) -> None:
        """Make a hard link at ``newpath``."""
        await self._do(RemoteFiles.link, oldpath, newpath)

    async def statvfs(self, path: bytes) -> SFTPVFSAttrs:
        """Tell of a file system."""
        return _space(await self._do(RemoteFiles.space, path or b"."))

    async def fstatvfs(self, file_obj: object) -> SFTPVFSAttrs:
        """Tell of an open file's file system."""
        return _space(await _told(_file(file_obj).space()))

    async def fsync(self, file_obj: object) -> None:
        """Have an open file written to its medium."""
        await _told(_file(file_obj).sync())

    async def exit(self) -> None:
        """Close the connection to the agent, which ends it, and say that all went well: scp(1) asks for that."""
        agent, self._agent = self._agent, None
        if agent is not None:
            await asyncio.shield(agent.__aexit__(None, None, None))
        if self.channel.get_subsystem():
            self.channel.exit(0)

    def format_user(self, uid: int | None) -> str:
        """Return the number: names would be those of this process's host."""
        return "" if uid is None else str(uid)

    def format_group(self, gid: int | None) -> str:
        """Return the number, likewise."""
        return self.format_user(gid)


def _file(file_obj: object) -> RemoteFile:
    if not isinstance(file_obj, RemoteFile):
        raise asyncssh.SFTPInvalidHandle("not an open file")
    return file_obj


async def _told(work: Awaitable[T]) -> T:
    """Return what is awaited. Raises OSError, SFTPError."""
    try:
        return await work
    except OpenShellError as error:
        raise asyncssh.SFTPConnectionLost(error.message) from error
    except OSError as error:
        if error.errno in _DENIED:  # SFTP 3 has one word for all of them, and clients show no other
            raise PermissionError(errno.EACCES, error.strerror) from error
        raise


def _space(space: Space) -> SFTPVFSAttrs:
    return SFTPVFSAttrs(
        bsize=space.block,
        frsize=space.fragment,
        blocks=space.blocks,
        bfree=space.free,
        bavail=space.available,
        files=space.files,
        ffree=space.free_files,
        favail=space.available_files,
        fsid=0,
        flags=space.flags,
        namemax=space.name_max,
    )
