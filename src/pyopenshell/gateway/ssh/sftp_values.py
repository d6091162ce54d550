"""What SFTP's numbers mean to a kernel: flags of open(2), and what is told and changed of files."""

from __future__ import annotations

import os
import stat

import asyncssh
from asyncssh import SFTPAttrs
from asyncssh import constants as ssh

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyopenshell.gateway.files.remote import Status

_DISPOSITIONS = {
    ssh.FXF_CREATE_NEW: os.O_CREAT | os.O_EXCL,
    ssh.FXF_CREATE_TRUNCATE: os.O_CREAT | os.O_TRUNC,
    ssh.FXF_OPEN_OR_CREATE: os.O_CREAT,
    ssh.FXF_TRUNCATE_EXISTING: os.O_TRUNC,
}
_TYPES = {
    stat.S_IFREG: ssh.FILEXFER_TYPE_REGULAR,
    stat.S_IFDIR: ssh.FILEXFER_TYPE_DIRECTORY,
    stat.S_IFLNK: ssh.FILEXFER_TYPE_SYMLINK,
    stat.S_IFSOCK: ssh.FILEXFER_TYPE_SOCKET,
    stat.S_IFCHR: ssh.FILEXFER_TYPE_CHAR_DEVICE,
    stat.S_IFBLK: ssh.FILEXFER_TYPE_BLOCK_DEVICE,
    stat.S_IFIFO: ssh.FILEXFER_TYPE_FIFO,
}
_SECOND = 1_000_000_000


def flags_of(pflags: int) -> int:
    """Return open(2)'s flags for SFTP 3's (draft-ietf-secsh-filexfer-02, section 6.3)."""
    flags = _access(reads=bool(pflags & ssh.FXF_READ), writes=bool(pflags & ssh.FXF_WRITE))
    for theirs, ours in (
        (ssh.FXF_APPEND, os.O_APPEND),
        (ssh.FXF_CREAT, os.O_CREAT),
        (ssh.FXF_TRUNC, os.O_TRUNC),
        (ssh.FXF_EXCL, os.O_EXCL),
    ):
        flags |= ours if pflags & theirs else 0
    return flags


def flags_of_access(desired: int, flags: int) -> int:
    """Return open(2)'s flags for SFTP 5's and 6's (draft-ietf-secsh-filexfer-13, section 8.1)."""
    reads = bool(desired & ssh.ACE4_READ_DATA)
    appends = bool(desired & ssh.ACE4_APPEND_DATA or flags & ssh.FXF_APPEND_DATA)
    writes = appends or bool(desired & ssh.ACE4_WRITE_DATA)
    found = _access(reads=reads, writes=writes) | (os.O_APPEND if appends else 0)
    return found | _DISPOSITIONS.get(flags & ssh.FXF_ACCESS_DISPOSITION, 0)


def _access(*, reads: bool, writes: bool) -> int:
    if reads and writes:
        return os.O_RDWR
    return os.O_WRONLY if writes else os.O_RDONLY


def attributes(status: Status) -> SFTPAttrs:
    """Return what is told of a file."""
    return SFTPAttrs(
        type=_TYPES.get(stat.S_IFMT(status.mode), ssh.FILEXFER_TYPE_SPECIAL),
        size=status.size,
        uid=status.uid & 0xFFFFFFFF,
        gid=status.gid & 0xFFFFFFFF,
        permissions=status.mode,
        atime=_seconds(status.accessed),
        mtime=_seconds(status.changed),
        nlink=status.links & 0xFFFFFFFF,
    )


def _seconds(time: int) -> int:
    """Return a time as SFTP 3 has them: 32 bits, nothing before 1970."""
    return min(max(time // _SECOND, 0), 0xFFFFFFFF)


def changes(attrs: SFTPAttrs) -> dict[str, Any]:
    """Return what is to be changed of a file, as ``RemoteFiles.change`` takes it. Raises SFTPFailure."""
    wanted: dict[str, Any] = {}
    if attrs.size is not None:
        wanted["size"] = attrs.size
    if attrs.permissions is not None:
        wanted["mode"] = attrs.permissions & 0o7777
    if attrs.atime is not None or attrs.mtime is not None:
        if attrs.atime is None or attrs.mtime is None:
            raise asyncssh.SFTPFailure("both times are changed, or none")
        wanted["times"] = (
            attrs.atime * _SECOND + (attrs.atime_ns or 0),
            attrs.mtime * _SECOND + (attrs.mtime_ns or 0),
        )
    if attrs.uid is not None or attrs.gid is not None:
        wanted["owner"] = tuple(-1 if number is None else number for number in (attrs.uid, attrs.gid))
    return wanted
