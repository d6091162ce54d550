"""Pathname Unix sockets of this host that a sandbox could connect to: those in sight, and those in granted folders."""

from __future__ import annotations

import os

from pyopenshell.effective.paths import inside

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pyopenshell.policy.model import FilesystemPolicy

MOST = 20
"""How many are named in a finding."""


def reachable(ask: Callable[[Iterable[str], int], dict[str, int]]) -> tuple[str, ...]:
    """Return the pathname sockets (unix(7), ``/proc/net/unix``) whose modes let the identity connect.

    ``ask`` answers access(2) about many paths as the identity: connecting needs write permission on the socket.
    """
    found: set[str] = set()
    try:
        with open("/proc/net/unix", encoding="utf-8", errors="surrogateescape") as file:
            next(file, None)
            for line in file:
                fields = line.rstrip("\n").split(None, 7)
                if len(fields) == 8 and fields[7].startswith("/"):
                    found.add(fields[7])
    except OSError:
        return ()
    return tuple(path for path, number in ask(sorted(found), os.W_OK).items() if number == 0) if found else ()


def granted(paths: tuple[str, ...], files: FilesystemPolicy, workdir: str) -> tuple[str, ...]:
    """Return those in a folder that the operator grants for writing, which opens them too; a score at most."""
    folders = _writable(files, workdir) if paths else []
    return tuple(path for path in paths if any(inside(os.path.realpath(path), folder) for folder in folders))[:MOST]


def _writable(files: FilesystemPolicy, workdir: str) -> list[str]:
    folders = [os.path.realpath(entry.path) for entry in files.read_write]
    return [*folders, workdir] if files.include_workdir else folders


def in_view(paths: tuple[str, ...], files: FilesystemPolicy, workdir: str, hide: tuple[str, ...]) -> tuple[str, ...]:
    """Return which of these sockets the sandbox sees although no grant opens them for connecting, a score at most.

    ``hide`` are the mount points made private. What is declared read-only under them is bound back, sockets and all.
    """
    if not paths:
        return ()
    readable = [os.path.realpath(entry.path) for entry in files.read_only]
    writable = _writable(files, workdir)

    def is_in_view(path: str) -> bool:
        real = os.path.realpath(path)
        if any(inside(real, folder) for folder in writable):
            return False
        hidden = any(inside(real, point) for point in hide)
        return not hidden or any(inside(real, folder) for folder in readable)

    return tuple(path for path in paths if is_in_view(path))[:MOST]
