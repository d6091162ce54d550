"""Pathname Unix sockets of this host that a sandbox could connect to: those in sight, and those in granted folders."""

from __future__ import annotations

import os

from pyopenshell.effective.paths import inside, shows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pyopenshell.policy.model import FilesystemPolicy

MOST = 20
"""How many are named in a finding."""
RELATIVE = "a relative name: its folder is not known"
DATAGRAM, LISTENING = b"0002", 1 << 16
"""A type of sockets that need not listen to be sent to, and the flag of those that do: __SO_ACCEPTCON, linux/net.h."""


BY_DESCRIPTOR = "/proc/self/"
"""How the names begin of sockets that were bound by way of a descriptor, whose path is too long for a socket."""
OURS = "/supervisor.sock"
"""How the names of our supervisors' end: they lie in a state folder, and want a key (docs/threat-model.md)."""


def bound() -> tuple[frozenset[str], frozenset[str]]:
    """Return the names that pathname sockets were bound to (unix(7), ``/proc/net/unix``): absolute, and relative ones.

    The kernel tells the name as it was given. One that is relative says nothing of its place, nor does one that goes by
    way of a descriptor (``/proc/self/fd``).
    """
    placed: set[str] = set()
    elsewhere: set[str] = set()
    try:
        with open("/proc/net/unix", "rb") as file:
            lines = file.read().split(b"\n")
    except OSError:
        lines = []
    for line in lines[1:]:
        fields = line.split(None, 7)
        if len(fields) == 8 and (fields[4] == DATAGRAM or int(fields[3], 16) & LISTENING):
            name = os.fsdecode(fields[7])
            if name.startswith(BY_DESCRIPTOR):
                if not name.endswith(OURS):
                    elsewhere.add(name)
            elif name[0] == "/":
                placed.add(name)
            elif name[0] != "@":  # an abstract one, which has no path
                elsewhere.add(name)
    return frozenset(placed), frozenset(elsewhere)


def reachable(ask: Callable[[Iterable[str], int], dict[str, int]]) -> tuple[str, ...]:
    """Return the pathname sockets whose modes let the identity connect, and those whose place is not known.

    ``ask`` answers access(2) about many paths as the identity: connecting needs write permission on the socket.
    """
    placed, elsewhere = bound()
    answers = ask(sorted(placed), os.W_OK) if placed else {}
    return (*(path for path, number in answers.items() if number == 0), *sorted(elsewhere))


def granted(paths: tuple[str, ...], files: FilesystemPolicy, workdir: str, hide: tuple[str, ...]) -> tuple[str, ...]:
    """Return those in a folder that the operator grants for writing, which opens them too; a score at most.

    ``hide`` are the mount points made private: a folder above one opens nothing of the host's in it.
    """
    folders = _writable(files, workdir)
    found = ((path, os.path.realpath(path)) for path in paths if path[0] == "/")
    return tuple(path for path, real in found if any(shows(folder, real, hide) for folder in folders))[:MOST]


def _writable(files: FilesystemPolicy, workdir: str) -> list[str]:
    folders = [os.path.realpath(entry.path) for entry in files.read_write]
    return [*folders, workdir] if files.include_workdir else folders


def in_view(paths: tuple[str, ...], files: FilesystemPolicy, workdir: str, hide: tuple[str, ...]) -> tuple[str, ...]:
    """Return which of these sockets the sandbox sees although no grant opens them for connecting, a score at most.

    ``hide`` are the mount points made private. What is declared read-only in them is bound back, sockets and all.
    """
    readable = [os.path.realpath(entry.path) for entry in files.read_only]
    writable = _writable(files, workdir)

    def is_in_view(path: str) -> bool:
        real = os.path.realpath(path)
        if any(shows(folder, real, hide) for folder in writable):
            return False
        hidden = any(inside(real, point) for point in hide)
        return not hidden or any(shows(folder, real, hide) for folder in readable)

    seen = (path if path[0] == "/" else f"{path} ({RELATIVE})" for path in paths if path[0] != "/" or is_in_view(path))
    return tuple(seen)[:MOST]
