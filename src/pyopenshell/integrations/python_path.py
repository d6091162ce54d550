"""What a sandbox must read so that this process's Python modules can be imported in it."""

from __future__ import annotations

import os
import pwd
import sys
from typing import TYPE_CHECKING

from pyopenshell.policy.model import Policy

if TYPE_CHECKING:
    from collections.abc import Iterable


def entries() -> list[str]:
    """Return ``sys.path`` with absolute paths, as it is to be inside."""
    return [os.path.abspath(entry) for entry in sys.path]


def policy(*, workdir: str | None, folders: Iterable[str] = ()) -> Policy:
    """Return a policy behind which this process's modules can be imported, for callers that name none.

    ``sys.path`` and ``folders`` may be read, ``workdir`` also be written. A home folder, and what encloses one, is
    never among them, wherever a script lies: what it holds is not there to be imported. Raises as ``Policy.from_dict``.
    """
    writable = [os.path.realpath(workdir)] if workdir is not None else []
    homes = {os.path.realpath(home) for home in (os.path.expanduser("~"), _account_home()) if home.startswith("/")}
    kept: list[str] = []
    for path in sorted({os.path.realpath(entry) for entry in (*folders, *entries())}, key=len):
        inside = any(_within(path, one) for one in ("/usr", *writable, *kept))
        if os.path.exists(path) and not inside and not any(_within(home, path) for home in homes):
            kept.append(path)
    files = {"include_workdir": workdir is not None, "read_only": kept}
    return Policy.from_dict({"version": 1, "filesystem_policy": files})


def _account_home() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return ""


def _within(path: str, folder: str) -> bool:
    return f"{path}/".startswith(f"{folder.rstrip('/')}/")
