"""What to try about making, moving and removing: in a folder of its own in each writable grant, and nowhere else."""

from __future__ import annotations

import errno
import os
import stat

from pyopenshell.kernel.syscalls import AT_FDCWD
from pyopenshell.verify.attempt import ALLOWED, CLEANUP, DENIED, GRANTS, Attempt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from pyopenshell.effective.model import Grant
    from pyopenshell.verify.rules import Rules

AT_REMOVEDIR = 0x200
NODES = (
    ("make a file", "make_reg", stat.S_IFREG, 0),
    ("make a pipe", "make_fifo", stat.S_IFIFO, 0),
    ("make a socket", "make_sock", stat.S_IFSOCK, 0),
    ("make a character device", "make_char", stat.S_IFCHR, os.makedev(1, 3)),
    ("make a block device", "make_block", stat.S_IFBLK, 0),
)
"""mknod(2) of a type and number. The character device is the null device's, not 0:0: that is overlayfs's whiteout,
which takes no privilege, and from Linux 7.2 on make_reg in place of make_char."""
AFTER_LANDLOCK = (errno.EPERM,)
"""What the file system answers, or the kernel for want of CAP_MKNOD: both only after Landlock has allowed it."""


def attempts(rules: Rules, grant: Grant, path: str, token: str) -> Iterator[Attempt]:
    """Try what a folder grant gives, or must not. ``token`` names what is made; all of it is removed again."""
    work = _Work(rules, grant, path)
    if rules.expect(path, "make_dir") == ALLOWED:
        yield from work.in_own_folder(f"{path}/{token}")
    else:
        yield from work.everything(f"{path}/{token}")


class _Work:
    def __init__(self, rules: Rules, grant: Grant, path: str) -> None:
        self.rules = rules
        self.grant = grant
        self.path = path
        self.modes = os.fsencode(path), os.W_OK | os.X_OK

    def in_own_folder(self, mine: str) -> Iterator[Attempt]:
        """Make a folder, try everything in it, and remove it."""
        one, two, folder = f"{mine}/one", f"{mine}/two", f"{mine}/folder"
        create = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        yield self._attempt("make a folder", mine, ("make_dir",), *_mkdir(mine))
        yield self._attempt("make and write", one, ("make_reg", "write_file"), "open", _b(one), create)
        yield self._attempt("read", one, ("read_file",), "open", _b(one), os.O_RDONLY)
        yield self._attempt("truncate", one, ("write_file", "truncate"), "open", _b(one), os.O_WRONLY | os.O_TRUNC)
        yield self._attempt("list", mine, ("read_dir",), "open", _b(mine), os.O_RDONLY | os.O_DIRECTORY)
        yield self._attempt("make a folder", folder, ("make_dir",), *_mkdir(folder))
        yield self._attempt("rename", one, ("make_reg", "remove_file"), *_rename(one, two))
        yield self._move(two, f"{folder}/two")
        yield from self.everything(f"{mine}/three")
        for left in (one, two, f"{folder}/two"):
            yield self._cleanup(left)
        yield self._attempt("make and write", one, ("make_reg", "write_file"), "open", _b(one), create)
        yield self._attempt("remove a file", one, ("remove_file",), *_remove(one))
        yield self._attempt("remove a folder", folder, ("remove_dir",), *_remove(folder, AT_REMOVEDIR))
        yield self._attempt("remove a folder", mine, ("remove_dir",), *_remove(mine, AT_REMOVEDIR))

    def everything(self, name: str) -> Iterator[Attempt]:
        """Make something of each kind, under a name of its own, and remove it again where that could be done."""
        folder, link = f"{name}-folder", f"{name}-link"
        yield self._attempt("make a folder", folder, ("make_dir",), *_mkdir(folder))
        yield self._cleanup(folder, AT_REMOVEDIR)
        yield self._attempt("make a link", link, ("make_sym",), "call", "symlinkat", b"nowhere", AT_FDCWD, _b(link))
        yield self._cleanup(link)
        for what, right, kind, device in NODES:
            node = f"{name}-{right}"
            call = ("call", "mknodat", AT_FDCWD, _b(node), kind | 0o600, device)
            attempt = self._attempt(what, node, (right,), *call)
            yield attempt.replace(passes=AFTER_LANDLOCK) if kind in (stat.S_IFCHR, stat.S_IFBLK) else attempt
            yield self._cleanup(node)

    def _move(self, source: str, target: str) -> Attempt:
        """Move a file into another folder. Below ABI 2 every Landlock denies that, whatever its rules."""
        rights = ("refer", "make_reg", "remove_file")
        attempt = self._attempt("move to another folder", source, rights, *_rename(source, target))
        always = self.rules.handled and "refer" not in self.rules.handled
        return attempt.replace(expected=DENIED) if always else attempt

    def _attempt(self, what: str, target: str, rights: tuple[str, ...], kind: str, *call: Any) -> Attempt:
        expected = self.rules.expect(self.path, *rights)
        return Attempt(GRANTS, self.grant.path, target, what, expected, (kind, self.modes, *call), self.grant.id)

    def _cleanup(self, name: str, flags: int = 0) -> Attempt:
        kind, *call = _remove(name, flags)
        return Attempt(GRANTS, self.grant.path, name, "remove", CLEANUP, (kind, None, *call), self.grant.id)


def _mkdir(path: str) -> tuple[Any, ...]:
    return "call", "mkdirat", AT_FDCWD, _b(path), 0o700


def _rename(source: str, target: str) -> tuple[Any, ...]:
    return "call", "renameat2", AT_FDCWD, _b(source), AT_FDCWD, _b(target), 0


def _remove(path: str, flags: int = 0) -> tuple[Any, ...]:
    return "call", "unlinkat", AT_FDCWD, _b(path), flags


def _b(path: str) -> bytes:
    return os.fsencode(path)
