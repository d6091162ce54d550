"""The devices of a sandbox as tables: what was given, and what came with it besides paths."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyopenshell.cli import output

if TYPE_CHECKING:
    from typing import Any

TABLES = (
    ("env", "Variables that the devices set", "variable"),
    ("groups", "Groups that the devices ask for", "group"),
    ("hooks", "Hooks of containers, not run in a sandbox", "hook"),
)
"""What came with the devices: its key, its heading, the name of its first column."""


def show(shape: dict[str, Any] | None) -> None:
    """Print the ``devices`` of an effective policy; nothing for a sandbox that asked for none."""
    if shape is None:
        return
    output.title(f"Devices ({shape['asked']})")
    rows = [
        (one["name"], ", ".join(one["gpus"]) or "-", ", ".join(one["uuids"]) or "-", _from(one))
        for one in shape["given"]
    ]
    if rows:
        output.table(("device", "gpu", "uuid", "from"), rows, indent=2)
    else:
        output.line("  none: the GPU's runtime alone")
    for key, title, column in TABLES:
        if shape[key]:
            output.title(title)
            output.table((column, "status", "from", "detail"), [_row(key, one) for one in shape[key]], indent=2)


def _row(key: str, one: dict[str, Any]) -> tuple[str, ...]:
    if key == "env":
        what = f"{one['name']}={one['value']}"
    else:
        what = str(one["gid"]) if key == "groups" else f"{one['stage']} {' '.join(one['args']) or one['path']}"
    return what, one["status"], _from(one), one["detail"] or "-"


def _from(one: dict[str, Any]) -> str:
    """Return the place in the spec, or the table that says so."""
    origin = one["origin"]
    if origin["file"] is None:
        return f"{origin['kind']}/{origin['name']}"
    return f"{origin['file']}:{origin['line']}" if origin["line"] else str(origin["file"])
