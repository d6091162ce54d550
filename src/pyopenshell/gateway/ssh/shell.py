"""Which shell a login into a sandbox gets."""

from __future__ import annotations

import json
import os
import pwd

from pyopenshell.launch.identity import NO_LOGIN

SHELLS = ("/bin/bash", "/bin/sh")
"""What is tried where the identity's account names no shell that can be executed inside."""


def candidates(record: str) -> tuple[str, ...]:
    """Return the shells to try, the best first. ``record`` is the folder of the sandbox's run record."""
    own = _of_account(_uid(record))
    return tuple(dict.fromkeys((own, *SHELLS) if own else SHELLS))


def _uid(record: str) -> int | None:
    try:
        with open(f"{record}/effective.json", encoding="utf-8") as file:
            uid = json.load(file)["identity"]["uid"]
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return uid if isinstance(uid, int) else None


def _of_account(uid: int | None) -> str | None:
    if uid is None:
        return None
    try:
        shell = pwd.getpwuid(uid).pw_shell
    except (KeyError, OverflowError):
        return None
    return shell if shell.startswith("/") and os.path.basename(shell) not in NO_LOGIN else None
