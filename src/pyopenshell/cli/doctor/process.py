"""What this process and its surroundings offer to sandboxes: a user to become, a place for records, an interpreter."""

from __future__ import annotations

import os
import stat
import sys
from typing import TYPE_CHECKING

from pyopenshell.cli.doctor.codes import Check, check
from pyopenshell.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Iterator


def checks() -> Iterator[Check]:
    """Check what this process offers."""
    yield _identity()
    yield _state()
    yield _interpreter()
    terminal = os.isatty(0)
    seen = "standard input is a terminal" if terminal else "standard input is not a terminal"
    yield check("terminal.ok", "terminal", seen)


def _identity() -> Check:
    """As root the sandbox gets another uid, which takes CAP_SETUID and CAP_SETGID (capabilities(7))."""
    if os.geteuid() != 0:
        return check("identity.ok", "identity", f"sandboxes run as you, uid {os.geteuid()}")
    from pyopenshell.kernel import process

    missing = [name for name, number in (("CAP_SETGID", 6), ("CAP_SETUID", 7)) if not process.has_capability(number)]
    if missing:
        hint = "give the container these capabilities, or start openshell as an ordinary user"
        return check("identity.no-setuid", "identity", f"root without {' and '.join(missing)}", hint)
    return check("identity.ok", "identity", "root: sandboxes run as an unprivileged user")


def _state() -> Check:
    """Write a file where run records go, and remove it."""
    from pyopenshell import state

    root = "state"
    try:
        root = state.state_root()
        folder = state.open_folder(root)
        try:
            state.write_whole(folder, ".doctor", b"a record is larger than this" * 1000)
            os.unlink(".doctor", dir_fd=folder)
        finally:
            os.close(folder)
    except OSError as error:
        refusal = state.unusable(root, error)
        return check("state.unusable", "state folder", refusal.message, refusal.hint)
    except StateError as refusal:
        return check("state.unusable", "state folder", refusal.message, refusal.hint)
    return check("state.ok", "state folder", root)


def _interpreter() -> Check:
    """As root, look whether a folder above the interpreter keeps other users out."""
    path = os.path.realpath(sys.executable)
    if os.geteuid() == 0:
        for part in (path, sys.prefix):
            closed = closed_to_others(part)
            if closed:
                return check(
                    "interpreter.closed",
                    "interpreter",
                    f"{closed} keeps the sandbox's user from {part}",
                    "programs of this Python environment cannot run in a sandbox that root starts: "
                    "make the environment in a folder that others may enter, /opt for one",
                )
    return check("interpreter.ok", "interpreter", path)


def closed_to_others(path: str) -> str | None:
    """Return the first folder on the way, or the path itself, that others may not enter or execute."""
    parts = path.strip("/").split("/")
    for end in range(1, len(parts) + 1):
        step = "/" + "/".join(parts[:end])
        if not os.stat(step).st_mode & stat.S_IXOTH:
            return step
    return None
