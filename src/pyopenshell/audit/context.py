"""What every event of one run has in common: the sandbox, the host, and who asked for it."""

from __future__ import annotations

import os
import pwd
import time

from pyopenshell import __version__
from pyopenshell.record import Record


class Context(Record):
    """The surroundings of an event. ``time`` is in milliseconds since 1970, as OCSF counts.

    ``user`` and ``uid`` are the caller's (not the sandbox's), ``pid`` is the supervisor's, ``release`` the kernel's.
    """

    time: int
    sandbox: str
    run_id: str
    hostname: str
    release: str
    version: str
    user: str
    uid: int
    pid: int

    def now(self) -> Context:
        """Return the same surroundings at the present time."""
        return self.replace(time=now())


class Process(Record):
    """A process in a sandbox: ``argv``, the resolved ``path``, the identity it runs as, its ``workdir``.

    ``environment`` holds the *names* of its variables. ``pid`` is the supervisor's view, None before there is one;
    ``inside`` is its number in the sandbox, where that is told. ``started`` is in milliseconds since 1970.
    """

    argv: tuple[str, ...]
    path: str
    uid: int
    gid: int
    user: str
    workdir: str
    environment: tuple[str, ...] = ()
    pid: int | None = None
    started: int | None = None
    inside: int | None = None


def now() -> int:
    """Return the time in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def here(sandbox: str, run_id: str) -> Context:
    """Return the surroundings of a run started by this process, now."""
    host, uid = os.uname(), os.getuid()
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:
        user = str(uid)
    return Context(
        time=now(),
        sandbox=sandbox,
        run_id=run_id,
        hostname=host.nodename,
        release=host.release,
        version=__version__,
        user=user,
        uid=uid,
        pid=os.getpid(),
    )
