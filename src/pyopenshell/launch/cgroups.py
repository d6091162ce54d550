"""A cgroup of the sandbox's own, for the limits that are asked for (cgroups(7)): version 1, version 2, or some of both.

How it is used:

1. ``RunRequest`` has ``cpu``, ``memory`` and ``pids``; a plan's ``effective.limits`` then says ``planned``.
2. ``prepare(planned.effective)`` before anything is forked, and before the run's record is made. None where no limit is
   asked for. It raises PolicyRefused where the policy says ``hard_requirement`` and one cannot be had; else that one is
   ``skipped``, with a finding. Its ``effective`` tells what became of the limits, which is no part of the digest.
3. ``folders`` go into the run's ``meta.json`` as ``cgroups``, for whoever finds the record without a supervisor.
4. The supervisor gets folders and locks (``Cgroup``), has the stem ``join`` it, or init where there is no stem, before
   that is sent its plan (what it forks is born there), and calls ``remove`` at the end, which kills what is left.
5. ``discard(folders)`` for a record whose supervisor is gone, and ``sweep()`` now and then for those without a record.

A cgroup counts as in use while the process that made it holds its lock (flock(2)), which the kernel lets go of.
"""

from __future__ import annotations

import fcntl
import os
import time

from pyopenshell.devices.cgroups import Hierarchy, hierarchies
from pyopenshell.effective.limits import HINT, settled
from pyopenshell.errors import LaunchError, PolicyRefused
from pyopenshell.kernel import signals
from pyopenshell.launch import cgroups_files as files
from pyopenshell.launch import cgroups_v1, cgroups_v2
from pyopenshell.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyopenshell.effective.limits import Limit
    from pyopenshell.effective.model import Effective

PREFIX, LENGTH = "openshell-", 26
"""How the names of our cgroups begin, and how long the run's id is that ends them (a ULID)."""
PATIENCE = 5.0
"""Seconds within which processes that were killed are gone. What waits for a device in vain is not."""
YOUNG = 60.0
"""Seconds for which a cgroup without a lock is left alone: whoever made it may be about to take that."""
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Usage(Record):
    """What a sandbox has used, as far as its cgroups tell; None where nothing of the kind is limited.

    ``memory`` and ``memory_peak`` are bytes, ``cpu`` microseconds, ``throttled`` how often it had to wait for its next
    share of the processors, ``pids`` its processes now, ``pids_refused`` and ``oom_kills`` counts.
    """

    memory: int | None = None
    memory_peak: int | None = None
    oom_kills: int | None = None
    cpu: int | None = None
    throttled: int | None = None
    pids: int | None = None
    pids_refused: int | None = None


class Cgroup:
    """A sandbox's cgroup: a folder in each hierarchy that is used, none where nothing can be had."""

    def __init__(self, effective: Effective | None, folders: Iterable[str], locks: Iterable[int] | None = None) -> None:
        """Take the folders over, and their locks: descriptors that somebody else has locked, or (None) our own.

        ``effective`` tells what became of the limits, where that is of use to anybody.
        """
        self.effective = effective
        self.folders = tuple(folders)
        own = (lock for folder in self.folders if (lock := _lock(folder)) is not None)
        self.locks = list(own if locks is None else locks)

    def join(self, pid: int) -> None:
        """Put a process there, and with it all that it will fork. Raises LaunchError."""
        for folder in self.folders:
            try:
                files.write(f"{folder}/cgroup.procs", str(pid))
            except OSError as error:
                raise LaunchError(
                    f"cannot start the sandbox: it cannot be put into its cgroup {folder}: {error.strerror}",
                    step="cgroup",
                    errno=error.errno,
                    hint="somebody else has changed or removed that cgroup; nothing was started",
                ) from error

    def usage(self) -> Usage:
        """Return what was used until now."""
        values: dict[str, int] = {}
        for folder in self.folders:
            for version in (cgroups_v1, cgroups_v2):
                values |= version.usage(folder)
        return Usage(**values)

    def remove(self) -> tuple[int, ...]:
        """Kill what is left, remove the folders, and return the pids of what could not be ended: none, as a rule."""
        left = _remove(self.folders)
        self.leave()
        return left

    def leave(self) -> None:
        """Let go of the locks: the cgroup is that of whoever else has them."""
        for lock in self.locks:
            os.close(lock)
        self.locks = []


def prepare(effective: Effective, found: dict[str, Hierarchy] | None = None) -> Cgroup | None:
    """Make a cgroup with the limits of a plan, beneath this process's own; None where no limit is asked for.

    ``found`` is where controllers are, if that is known already. Raises PolicyRefused under ``hard_requirement``.
    """
    if not effective.limits:
        return None
    found = hierarchies() if found is None else found
    name = PREFIX + effective.run_id.lower()
    outcomes: dict[str, Limit] = {}
    folders: dict[str, None] = {}
    for version, kind in ((1, cgroups_v1), (2, cgroups_v2)):
        places = {controller: place for controller, place in found.items() if place.version == version}
        wanted = [limit for limit in effective.limits if limit.name in places]
        if wanted:
            made, limited = kind.make(places, name, wanted)
            folders |= dict.fromkeys(made)
            outcomes |= {limit.name: limit for limit in limited}
    limits = tuple(outcomes.get(limit.name) or _nowhere(limit, bool(found)) for limit in effective.limits)
    cgroup = Cgroup(settled(effective, limits), folders)
    _insist(effective, limits, cgroup)
    return cgroup


def _nowhere(limit: Limit, there_are_some: bool) -> Limit:
    """Return a limit for which there is no controller."""
    why = f"no {limit.name} controller is mounted here" if there_are_some else "no cgroup file system is mounted here"
    return limit.replace(status="skipped", detail=why)


def _insist(effective: Effective, limits: tuple[Limit, ...], cgroup: Cgroup) -> None:
    """Under hard_requirement refuse what cannot be had, all of it in one message."""
    missing = [f"{limit.name} {limit}: {limit.detail}" for limit in limits if limit.status == "skipped"]
    if missing and effective.landlock.compatibility == "hard_requirement":
        cgroup.remove()
        raise PolicyRefused(
            f"hard_requirement cannot be kept on this host: {'; '.join(missing)}",
            hint=f"{HINT}; landlock.compatibility: best_effort goes on without limits",
            code="policy.hard-requirement",
            file=effective.file,
        )


def _written(path: str, text: str) -> bool:
    try:
        files.write(path, text)
    except OSError:
        return False
    return True


def discard(folders: Iterable[str]) -> tuple[int, ...]:
    """Remove the cgroups of a run whose supervisor is gone, and kill what is in them; return what could not be ended.

    What is in use, or is none of ours by its name, is left alone: the folders come out of a record.
    """
    return _remove([folder for folder in folders if _is_ours(os.path.basename(folder)) and _is_over(folder)])


def sweep(found: dict[str, Hierarchy] | None = None) -> tuple[int, ...]:
    """Do the same with all that lies beneath this process's own cgroup, and where else ours are made."""
    parents: dict[str, None] = {}
    for place in (hierarchies() if found is None else found).values():
        kind = cgroups_v1 if place.version == 1 else cgroups_v2
        parents |= dict.fromkeys(kind.parents(place))
    names = [f"{parent}/{name}" for parent in parents for name in _listed(parent)]
    return discard([folder for folder in names if _is_old(folder)])


def _remove(folders: Iterable[str]) -> tuple[int, ...]:
    """Kill and remove until all is gone, or patience ends."""
    until, pause = time.monotonic() + PATIENCE, 0.001
    left = list(folders)
    while True:
        left = [folder for folder in left if not _is_removed(folder)]
        if not left or time.monotonic() > until:
            return tuple(sorted({pid for folder in left for pid in _members(folder)}))
        time.sleep(pause)
        pause = min(pause * 2, 0.05)


def _is_removed(folder: str) -> bool:
    """Kill what is in a cgroup, and those that its programs made beneath it, and try to remove it."""
    for name in _listed(folder):
        if os.path.isdir(f"{folder}/{name}"):
            _is_removed(f"{folder}/{name}")
    if not _written(f"{folder}/cgroup.kill", "1"):  # version 2, Linux 5.14: all at once, however fast it forks
        _written(f"{folder}/pids.max", "0")  # what is limited forks no more
        for pid in _members(folder):
            _kill(pid, folder)
    try:
        os.rmdir(folder)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _kill(pid: int, folder: str) -> None:
    """Kill a process if it is in the cgroup: its number may be another's by now."""
    try:
        end = os.pidfd_open(pid)
    except OSError:
        return
    try:
        if pid in _members(folder):
            signals.pidfd_send_signal(end, signals.SIGKILL)
    except OSError:
        pass
    finally:
        os.close(end)


def _members(folder: str) -> list[int]:
    """Return the processes in a cgroup. Those of a pid namespace beyond ours are told as 0."""
    try:
        with open(f"{folder}/cgroup.procs", encoding="ascii") as file:
            return [int(line) for line in file if line.strip() != "0"]
    except OSError:
        return []


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _is_ours(name: str) -> bool:
    run_id = name[len(PREFIX) :]
    return name.startswith(PREFIX) and len(run_id) == LENGTH and run_id.isascii() and run_id.isalnum()


def _is_old(folder: str) -> bool:
    try:
        return time.time() - os.lstat(folder).st_mtime > YOUNG
    except OSError:
        return False


def _lock(folder: str) -> int | None:
    """Return the lock on a cgroup; None where somebody else has it, or the cgroup is gone."""
    try:
        fd = os.open(folder, _FOLDER)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        return None
    return fd


def _is_over(folder: str) -> bool:
    fd = _lock(folder)
    if fd is not None:
        os.close(fd)
    return fd is not None
