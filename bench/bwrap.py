"""The same sandbox from bubblewrap: a command line for ``bwrap`` that gives what one of our plans gives, and no more.

What cannot be equal is left to bubblewrap's advantage: it gets no Landlock domain, no receipt and no record; started by
root its program stays uid 0 (it changes the uid only in a user namespace, which would cost it more); paths that lie in
another one of the same access are not mounted again; links stay links.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from pyopenshell.effective.paths import inside

if TYPE_CHECKING:
    from pyopenshell.effective.model import Grant
    from pyopenshell.planning import Planned

FILTER = 9
"""The descriptor at which the command line expects the syscall filter, to be read to its end."""
OWN = ("/proc", "/dev")
"""What gets a file system of its own anyway: ``--proc`` and ``--dev``, with the devices that are granted to all."""
UNSHARED = {"pid": "--unshare-pid", "net": "--unshare-net", "ipc": "--unshare-ipc"}


def program() -> str | None:
    """Return where bubblewrap is, None where it is not."""
    return shutil.which("bwrap")


def command_line(planned: Planned, *command: str) -> list[str]:
    """Return the command line that runs a command under bubblewrap as it would be run in the planned sandbox."""
    plan = planned.plan
    namespaces = [flag for name, flag in UNSHARED.items() if plan.namespaces[name]]
    given = [grant for grant in planned.effective.grants if grant.mechanism == "landlock" and grant.resolved]
    given = [grant for grant in given if not any(inside(grant.path, point) for point in (*OWN, plan.private["root"]))]
    hide: list[str] = plan.private["hide"]
    binds = [grant for grant in given if not any(inside(grant.path, point) for point in hide)]
    back = [grant for grant in given if any(inside(grant.path, point) and grant.path != point for point in hide)]
    return [
        program() or "bwrap",
        *namespaces,
        *("--new-session", "--die-with-parent", "--cap-drop", "ALL", "--seccomp", str(FILTER)),
        *_mounts(binds),
        *("--proc", "/proc", "--dev", "/dev"),
        *(word for point in hide for word in ("--tmpfs", point)),
        *("--dir", plan.private["home"]),
        *_mounts(back),
        *("--chdir", plan.workload.workdir, "--", *command),
    ]


def _mounts(grants: list[Grant]) -> list[str]:
    """Return the words for these paths, outermost first; links are made again, and point to what is bound."""
    words: list[str] = []
    bound: dict[str, bool] = {}
    for grant in sorted(grants, key=lambda grant: grant.path):
        path, writable = grant.path, "write_file" in grant.access
        outer = max((folder for folder in bound if inside(path, folder)), key=len, default=None)
        if outer is not None and bound[outer] == writable:
            continue
        if os.path.islink(path) and os.path.dirname(path) == "/":
            words += ["--symlink", os.readlink(path), path]
        else:
            words += ["--bind" if writable else "--ro-bind", grant.resolved or path, path]
        bound[path] = writable
    return words
