"""What a file agent does for its client: each operation of ``files_wire`` as a method of the same name.

Nothing is checked here for the sake of the sandbox's borders: the kernel does that. Raised are OSErrors, whose number
is the answer, and ValueErrors for what no call takes.
"""

from __future__ import annotations

import errno
import os
import stat

from pyopenshell.kernel import process, syscalls
from pyopenshell.launch import files_wire as wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_FLAGS = os.O_ACCMODE | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_TRUNC | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_PATH
_ALWAYS = os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
"""A file that is opened must neither make the agent wait nor become its terminal."""
_NOREPLACE = 1
"""RENAME_NOREPLACE of linux/fs.h."""


class Agent:
    """What a client has open: descriptors by their handles, listings, and files that are not complete yet."""

    def __init__(self) -> None:
        """Start with the working directory."""
        self._open = {wire.HERE: os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)}
        self._listings: dict[int, list[bytes]] = {}
        self._incomplete: dict[int, tuple[int, bytes, bytes]] = {}
        self._count = 0

    def answer(self, operation: int, body: bytes) -> tuple[int, bytes]:
        """Do what is asked; return 0 and the body of the answer, or an errno and nothing."""
        try:
            return 0, _OPERATIONS[operation](self, *wire.whole(wire.REQUESTS[operation], body))
        except OSError as error:
            return error.errno or errno.EIO, b""
        except (ValueError, OverflowError):  # a NUL in a path, a number that no call takes
            return errno.EINVAL, b""
        except MemoryError:
            return errno.ENOMEM, b""

    def clean(self) -> None:
        """Remove files that were not completed."""
        for handle in list(self._incomplete):
            self._discard(handle)

    def _fd(self, handle: int) -> int:
        if handle not in self._open:
            raise OSError(errno.EBADF, "no such handle")
        return self._open[handle]

    def _free(self, handle: int) -> None:
        if handle in self._open or handle < 0:
            raise OSError(errno.EBADF, "a handle in use")
        if len(self._open) >= wire.MAX_HANDLES:
            raise OSError(errno.EMFILE, "too many handles")

    def _at(self, base: int, path: bytes) -> tuple[int | bytes, int | None]:
        """Return what os functions take for a path: the path and a folder, or a descriptor alone."""
        return (path, self._fd(base)) if path else (self._fd(base), None)

    def open(self, handle: int, base: int, path: bytes, flags: int, mode: int) -> bytes:
        """Open a file or folder as openat(2) does."""
        self._free(handle)
        self._open[handle] = _opened(self._fd(base), path, flags & _FLAGS, mode & wire.MODES)
        return b""

    def close(self, handle: int) -> bytes:
        """Close a handle; a file that was not completed is removed."""
        if handle == wire.HERE:
            raise OSError(errno.EBADF, "always open")
        if handle in self._incomplete:
            self._discard(handle)
        else:
            fd = self._fd(handle)
            del self._open[handle]
            self._listings.pop(handle, None)
            os.close(fd)
        return b""

    def read(self, handle: int, offset: int, count: int) -> bytes:
        """Read as pread(2) does."""
        return wire.pack("b", os.pread(self._fd(handle), min(count, wire.CHUNK), offset))

    def write(self, handle: int, offset: int, data: bytes) -> bytes:
        """Write all of the data."""
        fd, view = self._fd(handle), memoryview(data)
        while view:
            written = os.pwrite(fd, view, offset)
            view, offset = view[written:], offset + written
        return b""

    def sync(self, handle: int) -> bytes:
        """Have a file written to its medium."""
        os.fsync(self._fd(handle))
        return b""

    def status(self, base: int, path: bytes, follow: int) -> bytes:
        """Tell what stat(2) does, or lstat(2)."""
        return _entry(_status(*self._at(base, path), follow=bool(follow)))

    def change(self, base: int, path: bytes, *values: int) -> bytes:
        """Change size, owner, mode and times, in this order: each of the first three may undo one after it."""
        follow, which, mode, size, accessed, changed, uid, gid = values
        target, folder = self._at(base, path)
        # A descriptor is what it is: only with a path is there something to be followed or not.
        how = {"dir_fd": folder, "follow_symlinks": bool(follow)} if path else {}
        if which & wire.CHANGE_SIZE:
            fd = _opened(self._fd(base), path, os.O_WRONLY | (0 if follow else os.O_NOFOLLOW), 0) if path else target
            try:
                os.ftruncate(fd, size)  # type: ignore[arg-type]
            finally:
                if path:
                    os.close(fd)  # type: ignore[arg-type]
        if which & wire.CHANGE_OWNER:
            os.chown(target, uid, gid, **how)  # type: ignore[arg-type]
        if which & wire.CHANGE_MODE:
            if path and not follow and stat.S_ISLNK(os.stat(target, **how).st_mode):  # type: ignore[arg-type]
                raise OSError(errno.EOPNOTSUPP, "a link has no mode")
            os.chmod(target, mode & wire.MODES, dir_fd=folder)
        if which & wire.CHANGE_TIMES:
            os.utime(target, ns=(accessed, changed), **how)  # type: ignore[arg-type]
        return b""

    def entries(self, handle: int) -> bytes:
        """Tell the next entries of a folder. The names are read at the first call, and ordered by their bytes."""
        fd = self._fd(handle)
        if handle not in self._listings:
            self._listings[handle] = sorted(map(os.fsencode, os.listdir(fd)), reverse=True)
        names, found = self._listings[handle], [b""]
        while names and len(found) <= wire.MAX_ENTRIES:
            name = names.pop()
            try:
                entry = _entry(_status(name, fd, follow=False))
            except OSError:  # gone since
                continue
            found.append(wire.pack("b", name) + entry)
        return b"".join(found)

    def make_folder(self, base: int, path: bytes, mode: int) -> bytes:
        """Make a folder."""
        os.mkdir(path, mode & wire.MODES, dir_fd=self._fd(base))
        return b""

    def remove(self, base: int, path: bytes, is_folder: int) -> bytes:
        """Remove a folder, or what is none."""
        (os.rmdir if is_folder else os.unlink)(path, dir_fd=self._fd(base))
        return b""

    def rename(self, base: int, path: bytes, other: int, new: bytes, replace: int) -> bytes:
        """Rename, and replace what has the new name only where asked to (RENAME_NOREPLACE of renameat2(2))."""
        if replace:
            os.rename(path, new, src_dir_fd=self._fd(base), dst_dir_fd=self._fd(other))
        else:
            names = syscalls.encode(path), syscalls.encode(new)
            syscalls.call("renameat2", self._fd(base), names[0], self._fd(other), names[1], _NOREPLACE)
        return b""

    def read_link(self, base: int, path: bytes) -> bytes:
        """Tell where a link points."""
        return wire.pack("b", os.readlink(path, dir_fd=self._fd(base)))

    def link(self, target: bytes, base: int, path: bytes, hard: int) -> bytes:
        """Make a symbolic link, or a hard one to a file itself."""
        if hard:
            os.link(target, path, dst_dir_fd=self._fd(base), follow_symlinks=False)
        else:
            os.symlink(target, path, dir_fd=self._fd(base))
        return b""

    def real_path(self, path: bytes) -> bytes:
        """Tell the path without links."""
        return wire.pack("b", os.path.realpath(path or b"."))

    def space(self, base: int, path: bytes) -> bytes:
        """Tell what statvfs(3) does."""
        fd = _opened(self._fd(base), path or b".", os.O_PATH, 0)
        try:
            found = os.fstatvfs(fd)
        finally:
            os.close(fd)
        return wire.pack(wire.ANSWERS[wire.SPACE], *found[:10])

    def create(self, handle: int, base: int, path: bytes) -> bytes:
        """Make a file beside its later name. It keeps a descriptor of the folder: names in it may change meanwhile."""
        self._free(handle)
        where, _, name = path.rpartition(b"/")
        if name in (b"", b".", b".."):
            raise OSError(errno.EISDIR, "not the name of a file")
        folder = _opened(self._fd(base), (where or b"/") if b"/" in path else b".", os.O_PATH | os.O_DIRECTORY, 0)
        try:
            while True:
                self._count += 1
                own = b".openshell-%d-%d" % (os.getpid(), self._count)
                try:
                    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
                    self._open[handle] = _opened(folder, own, flags, 0o600)
                    break
                except FileExistsError:  # of an agent that was killed
                    continue
        except OSError:
            os.close(folder)
            raise
        self._incomplete[handle] = folder, own, name
        return b""

    def commit(self, handle: int, mode: int, accessed: int, changed: int) -> bytes:
        """Complete a file of ``create``: give it its mode, its times and its name, in place of what has that."""
        if handle not in self._incomplete:
            raise OSError(errno.EBADF, "nothing to complete")
        fd, (folder, own, name) = self._fd(handle), self._incomplete[handle]
        try:
            os.fchmod(fd, mode & wire.MODES)
            os.utime(fd, ns=(accessed, changed))
            os.rename(own, name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            self._discard(handle)
            raise
        del self._incomplete[handle]
        self.close(handle)
        os.close(folder)
        return b""

    def _discard(self, handle: int) -> None:
        folder, own, _ = self._incomplete.pop(handle)
        self.close(handle)
        try:
            os.unlink(own, dir_fd=folder)
        except OSError:  # somebody inside did, or forbade it
            pass
        os.close(folder)


def _opened(folder: int, path: bytes, flags: int, mode: int) -> int:
    """Open a path. A file to be written that is there already is opened by openat2(2) where that can be had.

    The broker's filter traps such an openat(2), and would tell of one whose path it cannot read.
    """
    if flags & os.O_ACCMODE and not flags & os.O_CREAT:
        try:
            return process.openat2(folder, path, flags | _ALWAYS)
        except OSError as error:
            if error.errno != errno.ENOSYS:
                raise
    return os.open(path, flags | _ALWAYS, mode, dir_fd=folder)


def _status(target: int | bytes, folder: int | None, *, follow: bool) -> os.stat_result:
    return os.stat(target) if folder is None else os.stat(target, dir_fd=folder, follow_symlinks=follow)


def _entry(status: os.stat_result) -> bytes:
    return wire.pack(
        wire.ENTRY,
        status.st_mode,
        status.st_size,
        status.st_atime_ns,
        status.st_mtime_ns,
        status.st_uid,
        status.st_gid,
        status.st_nlink,
    )


_OPERATIONS: dict[int, Callable[..., bytes]] = {
    wire.OPEN: Agent.open,
    wire.CLOSE: Agent.close,
    wire.READ: Agent.read,
    wire.WRITE: Agent.write,
    wire.SYNC: Agent.sync,
    wire.STATUS: Agent.status,
    wire.CHANGE: Agent.change,
    wire.ENTRIES: Agent.entries,
    wire.MAKE_FOLDER: Agent.make_folder,
    wire.REMOVE: Agent.remove,
    wire.RENAME: Agent.rename,
    wire.READ_LINK: Agent.read_link,
    wire.LINK: Agent.link,
    wire.REAL_PATH: Agent.real_path,
    wire.SPACE: Agent.space,
    wire.CREATE: Agent.create,
    wire.COMMIT: Agent.commit,
}
