"""Build a ruleset from open descriptors and enforce it. Runs in the forked child, just before exec.

Each rule stands alone: what becomes of one never changes another, and every one has an outcome to report.
"""

from __future__ import annotations

import os

from pyopenshell.kernel import landlock
from pyopenshell.landlock.downgrade import for_inode, names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

LOG_FLAGS = {
    "same_exec_off": landlock.RESTRICT_SELF_LOG_SAME_EXEC_OFF,
    "new_exec_on": landlock.RESTRICT_SELF_LOG_NEW_EXEC_ON,
    "subdomains_off": landlock.RESTRICT_SELF_LOG_SUBDOMAINS_OFF,
}
"""What of a sandbox's denials the kernel logs, by the names of ``downgrade.log_flags``."""


def build(
    fs: int, net: int, scoped: int, rules: Iterable[tuple[str, int, int]], *, with_quiet: bool = False
) -> tuple[int, list[dict[str, object]]]:
    """Return the fd of a ruleset that handles these masks, and the outcome of each rule.

    A rule is a grant's id, an O_PATH descriptor and the mask requested. An outcome holds ``grant``, ``dev``, ``ino``,
    ``requested`` and ``actual`` (names) and the kernel's ``errno``; ``empty`` is there, and true, when nothing of the
    request is handled or fits the inode, so that no rule was made. ``with_quiet``: ``hush`` will be used, which ABI 10
    brought. OSError: the ruleset itself cannot be made.
    """
    ruleset = landlock.create_ruleset(fs, net, scoped, fs if with_quiet else 0)
    return ruleset, [_add(ruleset, fs, *rule) for rule in rules]


def _add(ruleset: int, fs: int, grant: str, fd: int, requested: int) -> dict[str, object]:
    outcome: dict[str, object] = {"grant": grant, "dev": 0, "ino": 0, "requested": list(names(requested))}
    outcome |= {"actual": [], "errno": 0}
    try:
        inode = os.fstat(fd)
        outcome |= {"dev": inode.st_dev, "ino": inode.st_ino}
        access = for_inode(requested & fs, inode.st_mode)
        if not access:
            return {**outcome, "empty": True}
        landlock.add_path(ruleset, access, fd)
    except OSError as error:
        return {**outcome, "errno": error.errno}
    return {**outcome, "actual": list(names(access))}


def hush(ruleset: int, path: str, fd: int) -> dict[str, object]:
    """Keep denials at or beneath a descriptor out of the kernel's log; return the outcome, which holds no right."""
    outcome: dict[str, object] = {"path": path, "dev": 0, "ino": 0, "errno": 0}
    try:
        inode = os.fstat(fd)
        outcome |= {"dev": inode.st_dev, "ino": inode.st_ino}
        landlock.add_quiet(ruleset, fd)
    except OSError as error:
        outcome["errno"] = error.errno
    return outcome


def enforce(ruleset: int, log: Iterable[str] = ()) -> None:
    """Put this thread, and whatever it will fork or exec, under the ruleset, and close it. Needs no_new_privs.

    ``log``: names of ``LOG_FLAGS``.
    """
    landlock.restrict_self(ruleset, sum(LOG_FLAGS[name] for name in log))
    os.close(ruleset)
