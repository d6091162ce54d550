"""Whether a sandbox may do something to a path of this host: the effective policy is asked, and file modes are.

``effective.why`` is the pure part. Here is what depends on the host: where the path leads, whether the sandbox has a
folder of its own there, and what the modes say to its identity.
"""

from __future__ import annotations

import errno
import os

from pyopenshell.effective.model import Effective
from pyopenshell.effective.names import Names
from pyopenshell.effective.paths import OWN_FOLDERS, inside, is_own_proc, upward
from pyopenshell.effective.request import Resolved
from pyopenshell.effective.resolve import resolver
from pyopenshell.effective.why import Answer
from pyopenshell.effective.why import why as ask
from pyopenshell.seccomp.verdict import is_thread_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

    from pyopenshell.effective.model import Grant, Identity

    Wants = Literal["read", "write", "execute", "list", "create", "delete", "ioctl", "connect"]
    Modes = Callable[[Identity, str, int], int | None]

_ACL = "system.posix_acl_access"


class InForce(Effective):
    """The effective policy of a sandbox on this host, which can be asked about paths.

    Example:
        >>> from pyopenshell import Sandbox
        >>> with Sandbox() as box:
        ...     answer = box.effective.why("/etc/shadow", write=True)
        >>> answer.allowed, answer.needed
        (False, ('write_file',))

    """

    def why(self, path: str | os.PathLike[str], wants: Wants = "read", *, write: bool = False) -> Answer:
        """Return whether the sandbox may do this, which grants decide it, and what to write where it may not.

        A relative path is one of this process. ``wants`` is what would be done; ``write=True`` is short for
        ``"write"``. Links are followed, and file modes looked at, as they are here and now. Raises ValueError for
        another ``wants``, and for a path that names nothing.
        """
        return consult(self, os.fspath(path), "write" if write else wants, file_modes)[0]


def consult(effective: Effective, path: str, wants: str, modes: Modes) -> tuple[Answer, Grant | None]:
    """Return the answer, and the grant of the sandbox's own folder that the path is in, where it is in one.

    ``modes`` says what file modes answer an identity that wants this (os.R_OK and the like) of a path: an errno, 0 for
    yes, None where it cannot be told. Raises ValueError.
    """
    if not path or "\0" in path:
        raise ValueError("an empty path, or one with a NUL in it, names nothing")
    path = os.path.join(os.getcwd(), path)
    on_host = Names(effective.grants).on_host
    resolve = resolver(os.geteuid(), on_host)
    # As written, and where it leads: a link on the host's /tmp does not exist in a private one.
    private = _private(effective, os.path.normpath(path), resolve(path).place or "/")
    resolve = _as_private if private else resolve
    # Of the first process of a pid namespace nobody else is a thread.
    own_init = path.startswith("/proc/1/") and effective.isolation["pid"].state == "private"
    brokered = is_thread_name(os.fsencode(path)) and not own_init
    answer = ask(effective, path, wants, resolve, brokered=brokered)
    # A private folder is made for the sandbox's identity: its modes allow everything.
    subject = answer.replace(subject=on_host(answer.subject))
    said = 0 if private else modes_say(effective.identity, subject, modes)
    return ask(effective, path, wants, resolve, said, brokered=brokered), private


def file_modes(identity: Identity, path: str, mode: int) -> int | None:
    """Return what file modes answer an identity: an errno, 0 for yes, None where there is an access control list.

    Nothing is forked for it, as the command does to be exact: this process may have threads.
    """
    if identity.uid == os.geteuid():
        return 0 if os.access(path, mode, effective_ids=True) else errno.EACCES
    groups = {identity.gid, *identity.groups}
    try:
        for place, wanted in (*((folder, os.X_OK) for folder in upward(os.path.dirname(path))), (path, mode)):
            status = os.stat(place)
            shift = 6 if status.st_uid == identity.uid else 3 if status.st_gid in groups else 0
            if _ACL in os.listxattr(place):
                return None
            if wanted & ~(status.st_mode >> shift):
                return errno.EACCES
        return errno.EROFS if mode & os.W_OK and os.statvfs(path).f_flag & os.ST_RDONLY else 0
    except OSError as error:
        return error.errno


def _private(effective: Effective, *places: str) -> Grant | None:
    """Return the grant of the sandbox's own folder that one of these paths is in, where one is.

    The innermost grant decides: a declared folder in ``/tmp`` is the host's, bound back.
    """
    if effective.isolation["mount"].state != "private":
        return None
    granted = {grant.resolved or grant.path: grant for grant in effective.grants if grant.status != "skipped"}
    for place in places:
        innermost = next((folder for folder in upward(place) if folder in granted), None)
        if innermost and any(inside(innermost, folder) for folder in OWN_FOLDERS):
            grant = granted[innermost]
            if grant.origin.kind == "baseline":
                return grant
    return None


def _as_private(path: str) -> Resolved:
    """Return a path in a private folder as one that is there: the host's content says nothing about it."""
    place = os.path.normpath(path)
    return Resolved(place, place=place, is_dir=place in OWN_FOLDERS)


def modes_say(identity: Identity, answer: Answer, modes: Modes) -> int | None:
    """Return what file modes say to a question: an errno, 0 for yes, None where it cannot be asked."""
    # What lies under /proc/self is another process's for everyone who asks.
    if not os.path.lexists(answer.subject) or is_own_proc(answer.subject):
        return None
    changes = any(right.startswith(("make_", "remove_")) for right in answer.needed)
    writes = not {"write_file", "resolve_unix"}.isdisjoint(answer.needed)  # connecting takes it of a socket, unix(7)
    mode = os.W_OK | os.X_OK if changes else os.W_OK if writes else os.R_OK
    return modes(identity, answer.subject, os.X_OK if answer.needed == ("execute",) else mode)
