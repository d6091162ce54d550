"""Whether a sandbox may do something to a path, which grants decide it, and what to write where it may not. Pure."""

from __future__ import annotations

import errno
import os

from pyopenshell.effective.model import Grant
from pyopenshell.effective.names import Names
from pyopenshell.effective.paths import MOUNT_POINTS, inside, is_own_proc, normal, parent, shows
from pyopenshell.effective.request import Resolved
from pyopenshell.policy.access import READ_ONLY, THREAD_NAMES
from pyopenshell.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pyopenshell.effective.model import Effective

WANTS = ("read", "write", "execute", "list", "create", "delete", "ioctl", "connect")
"""What can be asked about a path. ``connect``: to the Unix socket there, which a process outside has made."""
GPU = "ask for a GPU (--gpu): runtime.cuda_thread_names then lets a process name its own threads"
UNRESTRICTED = (
    "Landlock does not restrict stat, access, readlink, chdir and the like: "
    "that a file exists, its size and its owner can be seen anywhere."
)
OWN_SOCKETS = "Sockets that the sandbox's own programs have made can be connected to anyway."


class Answer(Record):
    """The answer to one question.

    ``subject`` is the path that the rights ``needed`` are about: for creating and deleting, the folder that holds it.
    ``grants`` are those that give them. ``errno`` is what the program would be told (0 when allowed).
    ``explanation`` holds sentences, ``advice`` what to write in the policy.
    """

    allowed: bool
    path: str
    resolved: str | None
    wants: str
    subject: str
    needed: tuple[str, ...]
    grants: tuple[Grant, ...]
    errno: int
    explanation: tuple[str, ...]
    advice: str | None = None


class Case(Record):
    """One question with everything the answer is drawn from. ``lacking``: rights that no enclosing grant gives."""

    effective: Effective
    where: Resolved
    wants: str
    modes_errno: int | None
    subject: str
    needed: tuple[str, ...]
    lacking: tuple[str, ...]
    enclosing: tuple[Grant, ...]


def why(
    effective: Effective,
    path: str,
    wants: str,
    resolve: Callable[[str], Resolved],
    modes_errno: int | None = None,
    *,
    brokered: bool = False,
) -> Answer:
    """Answer whether the sandbox may do what ``wants`` (one of WANTS) names to ``path``.

    ``modes_errno`` is what file modes say to the sandbox's identity, as the caller tried it: an errno, 0 for yes, None
    for not asked. ``brokered``: the path names a file that a broker answers for, if it is of the asking process.
    Raises ValueError for another ``wants``.
    """
    where = _shown(effective, resolve, path) or resolve(path)
    if brokered and wants == "write":
        grants = tuple(grant for grant in effective.grants if grant.mechanism == "broker" and _stands(grant))
        if grants:
            return _brokered(path, grants)
        where = Resolved(normal(path))  # whoever asks, the file is there for whom it belongs to
    place = where.place or normal(path)
    subject, needed = _needed(wants, place, is_dir=where.is_dir, missing=where.real is None)
    enclosing = _enclosing(effective, subject)
    handled = effective.landlock.handled
    lacking = tuple(right for right in needed if right in handled and not _gives(enclosing, right))
    case = Case(effective, where, wants, modes_errno, subject, needed, lacking, enclosing)
    number = _errno(case)
    return Answer(
        allowed=number == 0,
        path=path,
        resolved=where.real,
        wants=wants,
        subject=subject,
        needed=needed,
        grants=tuple(grant for grant in enclosing if set(needed) & set(_rights(grant))),
        errno=number,
        explanation=tuple(_explain(case)),
        advice=None if not lacking else GPU if brokered else _advice(case),
    )


def _shown(effective: Effective, resolve: Callable[[str], Resolved], path: str) -> Resolved | None:
    """Return a path at which something of the host is shown as one that is there, if it is; None for all others."""
    place = resolve(path).place or normal(path)
    source = Names(effective.grants).on_host(place)
    if source == place:
        return None
    host = resolve(source)
    return host.replace(real=place if host.real else None, place=place)


def _needed(wants: str, place: str, *, is_dir: bool, missing: bool) -> tuple[str, tuple[str, ...]]:
    """Return the path whose rights matter, and the rights (landlock(7))."""
    if wants == "read":
        return place, ("read_dir",) if is_dir else ("read_file",)
    if wants == "list":
        return place, ("read_dir",)
    if wants == "write" and not missing:
        # What a program does to write to a folder is make entries in it.
        return place, ("make_reg", "write_file") if is_dir else ("write_file",)
    if wants in ("write", "create"):
        return parent(place), ("make_reg", "write_file")
    if wants == "delete":
        return parent(place), ("remove_dir",) if is_dir else ("remove_file",)
    if wants == "execute":
        return place, ("execute",)
    if wants == "connect":
        return place, ("resolve_unix",)
    if wants == "ioctl":
        return place, ("read_file", "ioctl_dev")
    raise ValueError(f"{wants!r} is none of {', '.join(WANTS)}")


def _enclosing(effective: Effective, subject: str) -> tuple[Grant, ...]:
    """Return the grants with a Landlock rule (or a planned one) on the subject or a folder above, innermost first."""
    names = Names(effective.grants)
    by_place: dict[str, list[Grant]] = {}
    for grant in effective.grants:
        if grant.mechanism == "landlock" and _stands(grant):
            by_place.setdefault(names.place(grant), []).append(grant)
    return tuple(grant for folder in names.walked(subject) for grant in by_place.get(folder, ()))


def _stands(grant: Grant) -> bool:
    return grant.status not in ("skipped", "covered")


def _brokered(path: str, grants: tuple[Grant, ...]) -> Answer:
    """Return the answer for a thread's name: Landlock denies it, and the broker gives it to its own process."""
    lines = [f"{grant.path} ({grant.origin}): {grant.reason}" for grant in grants]
    lines += [
        "A process may open this file for writing where it names a thread of that process itself; a number of another "
        "process or thread is left to Landlock, which denies it.",
        "The broker sees open and openat without O_CREAT and O_TRUNC, which is what CUDA and pthread_setname_np use: "
        "openat2 and a shell's '>' stay denied.",
    ]
    return Answer(True, path, None, "write", path, THREAD_NAMES, grants, 0, tuple(lines))


def _rights(grant: Grant) -> tuple[str, ...]:
    """Return what a grant gives: what the kernel accepted, or before a launch what is asked for."""
    return grant.actual or grant.access


def _gives(grants: tuple[Grant, ...], right: str) -> bool:
    return any(right in _rights(grant) for grant in grants)


def _errno(case: Case) -> int:
    """Return what the program is told. Landlock is asked before the file system makes anything."""
    if _is_hidden(case):
        return errno.ENOENT
    makes = case.where.errno == errno.ENOENT and case.wants in ("create", "write")
    if case.where.real is None and not makes:
        return case.where.errno
    return errno.EACCES if case.lacking else case.modes_errno or 0


def _is_hidden(case: Case) -> bool:
    """Whether the sandbox has a mount of its own where this lies, and nothing of the host's is bound back there.

    Its own folders there are its own too; but a socket of somebody else's is not in them.
    """
    if case.effective.isolation["mount"].state != "private":
        return False
    others = [grant for grant in case.enclosing if case.wants != "connect" or str(grant.origin) != "baseline/process"]
    points = [point for point in MOUNT_POINTS if inside(case.subject, point)]
    return bool(points) and not any(shows(grant.resolved or grant.path, case.subject, points) for grant in others)


def _explain(case: Case) -> list[str]:
    """Return the sentences, the decision first."""
    lines = []
    if case.where.real is None:
        lines.append(f"The path cannot be reached on this host: {os.strerror(case.where.errno)}.")
    lines.append(f"It takes {' and '.join(case.needed)} on {case.subject}.")
    for right in case.needed:
        lines.extend(_decision(case, right))
    if case.lacking:
        useless = [grant for grant in case.enclosing if set(case.lacking).isdisjoint(_rights(grant))]
        lines.extend(f"{grant.path} ({grant.origin}) gives only {', '.join(_rights(grant))}." for grant in useless)
    elif "write_file" in case.needed and not _gives(case.enclosing, "truncate"):
        lines.append("Emptying a file (O_TRUNC, shell '>') needs truncate too, which no grant gives here.")
    blocked = [grant for grant in case.enclosing if grant.status == "blocked"]
    lines.extend(f"{grant.path} ({grant.origin}): {grant.detail.message}." for grant in blocked)
    if case.modes_errno:
        lines.append(f"File modes deny the sandbox's identity: {os.strerror(case.modes_errno)}.")
    elif case.modes_errno is None:
        lines.append("File modes apply as well and were not asked.")
    if _is_hidden(case):
        lines.append("The sandbox has a mount of its own there: nothing of the host is in it.")
    if case.wants == "connect":
        lines.append(OWN_SOCKETS)
    return [*lines, UNRESTRICTED]


def _decision(case: Case, right: str) -> list[str]:
    """Say what decides one right."""
    landlock = case.effective.landlock
    if right not in landlock.handled:
        if not landlock.abi:
            return [f"This sandbox has no Landlock: only file modes restrict {right}."]
        return [f"This kernel's Landlock (ABI {landlock.abi}) does not restrict {right}."]
    givers = [grant for grant in case.enclosing if right in _rights(grant)]
    if not givers:
        return [f"No grant gives {right} here, so Landlock denies it."]
    return [f"{grant.path} ({grant.origin}) gives {right}: {grant.reason}" for grant in givers]


def _advice(case: Case) -> str:
    """Say what to write in the policy so that the lacking rights are given, no wider than needed."""
    word = "read_only" if set(case.lacking) <= set(READ_ONLY) else "read_write"
    if is_own_proc(case.subject):
        return "no path in a policy gives this: it is another file for every process"
    if case.subject == "/" and word == "read_write":
        return "nothing grants this: the root folder is never writable"
    declared = [grant for grant in case.enclosing if grant.origin.kind == "declared"]
    inner = next((grant for grant in declared if grant.origin.name == "read_only"), None)
    if inner is None or word == "read_only":
        return f"add {case.subject} to filesystem_policy.{word}"
    line = f" (line {inner.origin.line})" if inner.origin.line else ""
    if case.subject in (inner.path, inner.resolved):
        return f"move {inner.path} from filesystem_policy.read_only{line} to read_write"
    return f"add {case.subject} to filesystem_policy.read_write; {inner.path} may stay in read_only{line}"
