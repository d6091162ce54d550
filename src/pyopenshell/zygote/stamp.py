"""What a plan depends on, so that it need not be made anew for a sandbox like the last one: cheap to look at again.

A plan is used again only where all of it is as it was: each path of a grant leads to the same file with the same owner
and mode, no other file could be the program that was meant, no account has changed, the same sockets are in sight. What
cannot be looked at cheaply is not used again: see ``is_lasting``.
"""

from __future__ import annotations

import os

from pyopenshell import runs
from pyopenshell.launch import places, sockets
from pyopenshell.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyopenshell.planning import Planned

ACCOUNTS = ("/etc/passwd", "/etc/group")
DEVICES = ("/dev", "/etc/cdi", "/var/run/cdi")
"""Where what the findings about a GPU speak of appears and disappears."""
SCOPE = "/proc/sys/kernel/yama/ptrace_scope"
FLEETING = ("/proc", "/sys", "/dev/pts")
"""File systems that number their files anew whenever they please."""


class Stamp(Record):
    """``files`` and ``folders`` with what was seen of each; sockets, their files among the former; Yama's scope."""

    files: tuple[tuple[str, tuple[int, ...]], ...]
    folders: tuple[tuple[str, tuple[int, ...]], ...]
    sockets: tuple[frozenset[str], frozenset[str]]
    scope: bytes

    def holds(self) -> bool:
        """Whether all is as it was."""
        return (
            all(_file(path) == seen for path, seen in self.files)
            and all(_folder(path) == seen for path, seen in self.folders)
            and self.sockets == _sockets()
            and self.scope == _scope()
        )


NONE = Stamp((), (), (frozenset(), frozenset()), b"")
"""Of a plan that is not used again."""


def is_lasting(planned: Planned) -> bool:
    """Whether a plan may be used again.

    Not where it holds a folder or an id for one sandbox; nor where a GPU is chosen or a contributor asked.
    """
    return not (
        planned.private.host
        or planned.identity_lock is not None
        or planned.request.gpu
        or planned.request.devices
        or planned.policy.contributors
        or not planned.host.namespaces.pid
    )


def take(planned: Planned) -> Stamp:
    """Look at all that a plan depends on."""
    named = [grant.path for grant in planned.effective.grants if grant.mechanism == "landlock"]
    resolved = [grant.resolved for grant in planned.effective.grants if grant.resolved]
    asked = [os.path.abspath(planned.request.workdir)] if planned.request.workdir else []  # a link, perhaps
    own = [*places.own_code(), runs.state_root(), runs.config_root(), planned.plan.workload.workdir, *asked]
    own.append(planned.identity.home)
    bound = _sockets()
    policy = planned.policy.source.file
    own += [os.path.abspath(policy), os.path.dirname(os.path.abspath(policy))] if policy else []
    folders = [*planned.plan.workload.environment["PATH"].split(":"), *ACCOUNTS]
    folders += DEVICES if planned.request.gpu is not None else ()
    files = [*named, *resolved, *own, *bound[0]]
    return Stamp(
        tuple(
            (path, _file(path)) for path in _distinct([*files, *(folder for path in files for folder in _above(path))])
        ),
        tuple((path, _folder(path)) for path in _distinct(folders)),
        bound,
        _scope(),
    )


def _sockets() -> tuple[frozenset[str], frozenset[str]]:
    """Return the sockets of others: supervisors' come and go with every sandbox that stays, of any state folder."""
    placed, elsewhere = sockets.bound()
    return frozenset(name for name in placed if not name.endswith(sockets.OURS)), elsewhere


def _above(path: str) -> list[str]:
    """Return the folders that lead to a path: their modes decide, too."""
    parts = path.split("/")[1:-1]
    return ["/", *("/" + "/".join(parts[:count]) for count in range(1, len(parts) + 1))]


def _distinct(paths: Iterable[str]) -> Iterable[str]:
    return dict.fromkeys(paths)


def _file(path: str) -> tuple[int, ...]:
    try:
        found = os.stat(path)
    except OSError as error:
        return (error.errno or 0,)
    number = 0 if path.startswith(FLEETING) else found.st_ino
    return found.st_dev, number, found.st_mode, found.st_uid, found.st_gid


def _folder(path: str) -> tuple[int, ...]:
    """Return what changes with a folder's entries, or a file's content."""
    try:
        found = os.stat(path)
    except OSError as error:
        return (error.errno or 0,)
    return found.st_dev, found.st_ino, found.st_mode, found.st_mtime_ns, found.st_ctime_ns


def _scope() -> bytes:
    try:
        fd = os.open(SCOPE, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(fd, 16)
    finally:
        os.close(fd)
