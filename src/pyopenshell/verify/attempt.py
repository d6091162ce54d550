"""One thing to try inside a sandbox, and what its report says must come of it."""

from __future__ import annotations

import errno

from pyopenshell.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ALLOWED, DENIED, CLEANUP = "allowed", "denied", "cleanup"
"""What is expected; ``CLEANUP`` is not judged: it removes what an earlier attempt may have made."""

GRANTS = "grants"
OUTSIDE = "outside of the grants"
DEVICES = "devices"
THREAD_NAMES = "thread names"
PROCESSES = "other processes"
SOCKETS = "sockets"
SYSTEM_CALLS = "system calls"
IDENTITY = "identity and namespaces"
GROUPS = (GRANTS, OUTSIDE, DEVICES, THREAD_NAMES, PROCESSES, SOCKETS, SYSTEM_CALLS, IDENTITY)
"""What attempts are about, in the order in which they are shown."""


class Attempt(Record):
    """One attempt.

    ``subject`` is a path, a system call or a thing that the row in the report is about, ``target`` what was tried on,
    ``what`` the verb. ``grant`` is the id of the grant that decides, if one does. ``call`` is for ``launch.probe``.
    ``passes``: errors that come only after everything here has let it through. ``exact``: the one error that will do
    for a denial. ``refusals``: errors that mean a refusal of the sandbox's where it should allow; any other one
    (a full disk, a file that is gone) tells nothing. ``words``: what is expected, where that is no yes or no.
    """

    group: str
    subject: str
    target: str
    what: str
    expected: str
    call: tuple[Any, ...]
    grant: str | None = None
    passes: tuple[int, ...] = ()
    exact: int | None = None
    refusals: tuple[int, ...] = (errno.EACCES, errno.EXDEV, errno.EROFS)
    words: str | None = None


class About(Record):
    """What an attempt is about: its group, its subject, and the id of the grant that decides."""

    group: str
    subject: str
    grant: str | None = None

    def attempt(self, target: str, what: str, expected: str, call: tuple[Any, ...]) -> Attempt:
        """Return an attempt about it."""
        return Attempt(self.group, self.subject, target, what, expected, call, self.grant)
