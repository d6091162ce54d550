"""Places on this host that matter to a launch: where it works, what the operator named, where this command lives."""

from __future__ import annotations

import os
import sys

from pyopenshell.effective.paths import inside
from pyopenshell.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pyopenshell.policy.model import Policy

SYSTEM_PREFIXES = ("/usr", "/usr/local")
"""Prefixes of interpreters that only root can write to, and that are not the command's own."""


def working_directory(given: str | None) -> str:
    """Return the real path of the working directory. Raises UsageError where there is none."""
    hint = "run from an existing folder, or name one with --workdir"
    try:
        path = os.path.realpath(given if given is not None else os.getcwd())
    except FileNotFoundError as error:
        raise UsageError("the current folder has been deleted", hint=hint) from error
    if not os.path.isdir(path):
        raise UsageError(f"the working directory {given} is not a folder", hint=hint)
    return path


def named(policy: Policy, workdir: str) -> frozenset[str]:
    """Return the real paths that the operator declared or works in."""
    files = policy.filesystem
    paths = {os.path.realpath(entry.path) for entry in (*files.read_only, *files.read_write)}
    return frozenset(paths | {workdir} if files.include_workdir else paths)


def is_granted(home: str, policy: Policy, workdir: str) -> bool:
    """Whether the identity's own home is part of what the operator granted; else the sandbox gets a private one."""
    files = policy.filesystem
    folders = [entry.path for entry in (*files.read_only, *files.read_write)]
    if files.include_workdir:
        folders.append(workdir)
    return home != "/" and any(inside(home, folder) for folder in folders)


def own_code() -> tuple[str, ...]:
    """Return where this command itself lives: who can write there decides what the next sandbox is worth."""
    package = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
    prefix = os.path.realpath(sys.prefix)
    return (package,) if prefix in SYSTEM_PREFIXES else (package, prefix)


def is_own_command(path: str) -> bool:
    """Whether a file is this command, as it was started or as it is installed in this environment."""
    return os.path.realpath(path) in (os.path.realpath(sys.argv[0]), os.path.realpath(f"{sys.prefix}/bin/openshell"))


def rewritable(policy: str | None, query: Callable[[str, int], int]) -> str | None:
    """Return the policy's absolute path if file modes let the identity replace it. ``query`` is its access(2)."""
    path = os.path.abspath(policy) if policy else None
    places = (path, os.path.dirname(path)) if path else ()
    return path if any(query(place, os.W_OK) == 0 for place in places) else None
