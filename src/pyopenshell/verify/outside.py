"""What a verifier sees from outside of the sandbox, where folders can be listed: what there is to try.

The choice is deterministic and bounded: entries in order of their names, and few of those that file modes close anyway,
because they tell nothing about the sandbox.
"""

from __future__ import annotations

import os
import stat

from pyopenshell.launch import checks
from pyopenshell.record import Record
from pyopenshell.state import config_root, state_root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pyopenshell.effective.model import Identity

MOST_LISTED = 4000
"""Entries of a folder that are looked at."""
FOLDER, FILE, PROGRAM, DEVICE, SPECIAL = "folder", "file", "program", "device", "special"
KEEP_AWAY = ("watchdog", "st", "nst")
"""How the names of devices begin that do something when they are merely opened: they are not tried."""
REMOTE = ("nfs", "cifs", "smb", "autofs", "ceph", "9p", "afs", "fuse")
"""How the types of file systems begin that may never answer: what is mounted so is left alone unless it is granted."""
DIGITS = "0123456789"
MOST_CLOSED = 4
"""Of those that file modes close to the sandbox, this many are tried all the same."""


class Entry(Record):
    """Something in a folder: its path and kind, its device and inode numbers, and whether modes let it be read."""

    path: str
    kind: str
    dev: int = 0
    ino: int = 0
    open: bool = True


class Outside(Record):
    """What the attempts are made of, besides the report.

    ``home`` is the caller's. ``namespaces``: inodes of the verifier's own. ``bystander``: a process outside, of the
    sandbox's uid; 0 for none. ``abstract`` and ``pathname``: addresses of sockets that listen outside, if they do.
    ``entries`` lists a folder; ``look`` tells about one path.
    """

    home: str
    folders: tuple[str, ...]
    supervisor: int
    bystander: int
    namespaces: dict[str, int | None]
    abstract: bytes | None
    pathname: str | None
    token: str
    entries: Callable[[str], list[Entry]]
    look: Callable[[str], Entry | None]


def own_folders() -> tuple[str, ...]:
    """Return the state and the configuration folder."""
    return os.path.realpath(state_root()), os.path.realpath(config_root())


def home() -> str:
    """Return the caller's home folder."""
    return os.path.realpath(os.path.expanduser("~"))


def namespaces() -> dict[str, int | None]:
    """Return the inodes of the namespaces this process is in."""
    return checks.links("self")


def token() -> str:
    """Return a name that nobody else chooses."""
    return f".openshell-verify-{os.urandom(8).hex()}"


def look(path: str) -> Entry | None:
    """Return what stands at a path; None where there is nothing, or a symbolic link, which means another path."""
    try:
        info = os.lstat(path)
    except OSError:
        return None
    return None if stat.S_ISLNK(info.st_mode) else _entry(path, info)


def entries(folder: str, who: Identity) -> list[Entry]:
    """Return what lies in a folder, symbolic links and remote file systems left out, in order of names."""
    try:
        names = sorted(os.listdir(folder))[:MOST_LISTED]
    except OSError:
        return []
    found = []
    far = _remote()
    for name in names:
        path = f"{folder.rstrip('/')}/{name}"
        if os.fsencode(path) in far:
            continue
        try:
            info = os.lstat(path)
        except OSError:
            continue
        if not stat.S_ISLNK(info.st_mode):
            found.append(_entry(path, info).replace(open=_is_open(info, who)))
    return found


def _remote() -> frozenset[bytes]:
    """Return the mount points of remote file systems (proc_pid_mountinfo(5)), those with a space in them left out."""
    with open("/proc/self/mountinfo", "rb") as file:
        lines = [line.split() for line in file]
    prefixes = tuple(name.encode() for name in REMOTE)
    return frozenset(fields[4] for fields in lines if fields[fields.index(b"-") + 1].startswith(prefixes))


def choice(found: list[Entry], most: int) -> list[Entry]:
    """Return those to try: the first that are open to the sandbox's identity, and a few others."""
    closed = [entry for entry in found if not entry.open]
    return [entry for entry in found if entry.open][:most] + closed[: min(most, MOST_CLOSED)]


def _entry(path: str, info: os.stat_result) -> Entry:
    mode, name = info.st_mode, os.path.basename(path)
    if stat.S_ISDIR(mode):
        kind = FOLDER
    elif stat.S_ISREG(mode):
        kind = PROGRAM if mode & 0o111 else FILE
    elif (stat.S_ISCHR(mode) or stat.S_ISBLK(mode)) and name.rstrip(DIGITS + "alm") not in KEEP_AWAY:
        kind = DEVICE
    else:
        kind = SPECIAL
    return Entry(path, kind, info.st_dev, info.st_ino)


def _is_open(info: os.stat_result, who: Identity) -> bool:
    """Whether the identity may read it, or list the folder, by its modes (access control lists are not looked at)."""
    is_group = info.st_gid in (who.gid, *who.groups)
    bits = info.st_mode >> (6 if info.st_uid == who.uid else 3 if is_group else 0)
    wanted = 0o5 if stat.S_ISDIR(info.st_mode) else 0o4
    return bits & wanted == wanted


def unlike(found: Iterable[Entry], inodes: frozenset[tuple[int, int]]) -> list[Entry]:
    """Leave out what has a rule of its own by another name: a hard link, or a bind mount of a granted folder."""
    return [entry for entry in found if (entry.dev, entry.ino) not in inodes]
