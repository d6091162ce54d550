"""Where this machine's gateway is, and whether it runs: told without what it takes to be one."""

from __future__ import annotations

import fcntl
import json
import os

from pyopenshell.state import state_root, unusable

LOCK = "lock"
"""A file in the gateway's folder that is locked (flock(2)) while it runs."""
RUNNING = "gateway.json"
"""What a gateway that runs says of itself, in its folder: pid, name, endpoint and the other addresses."""


def folder() -> str:
    """Return the gateway's own folder in the state folder."""
    return f"{state_root()}/gateway"


def running() -> dict[str, object] | None:
    """Return what the gateway on this state folder says of itself, or None where none runs. Raises StateError."""
    try:
        fd = os.open(f"{folder()}/{LOCK}", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise unusable(folder(), error) from error
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        try:
            with open(f"{folder()}/{RUNNING}", "rb") as file:
                told: dict[str, object] = json.load(file)
                return told
        except (OSError, ValueError):
            return {}  # it is starting
    finally:
        os.close(fd)
    return None
