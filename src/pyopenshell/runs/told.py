"""What is told of a run in the same way by the command and by the gateway: from its record alone."""

from __future__ import annotations

import time

from pyopenshell.errors import StateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyopenshell.runs.view import RunView


def started(identifier: str) -> float:
    """Return the time, in seconds since 1970, that a run's id (a ULID) carries."""
    number = 0
    for letter in identifier[:10]:
        number = number << 5 | "0123456789ABCDEFGHJKMNPQRSTVWXYZ".index(letter)
    return number / 1000


def summary(view: RunView) -> dict[str, Any]:
    """Return what is known about a run in short; one whose record cannot be read is ``unreadable``, not an error."""
    try:
        meta, end = view.meta(), view.exit()
    except StateError:
        return {
            "name": view.name,
            "id": view.id,
            "state": "unreadable",
            "exit_code": None,
            "started": "-",
            "command": [],
        }
    return {
        "name": meta["name"],
        "id": view.id,
        "state": view.state,
        "exit_code": end["code"] if end else None,
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started(view.id))),
        "command": meta.get("command", []),
    }


def effective(view: RunView) -> dict[str, Any] | None:
    """Return a run's effective policy as stored, but for its state: what was running then may have ended since."""
    shape = view.effective()
    if shape is not None and shape["sandbox"]["state"] == "running":
        shape["sandbox"]["state"] = view.state
    return shape


def inspection(view: RunView) -> dict[str, Any]:
    """Return all that is known about a run: what ``openshell sandbox inspect -o json`` prints. Raises StateError."""
    return {
        "sandbox": summary(view),
        "meta": view.meta(),
        "effective": effective(view),
        "receipt": view.receipt(),
        "exit": view.exit(),
    }
