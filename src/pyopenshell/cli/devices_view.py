"""The devices of a sandbox as tables: what was given, and what came with it besides paths."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyopenshell.cli import output

if TYPE_CHECKING:
    from typing import Any


def show(shape: dict[str, Any] | None) -> None:
    """Print the ``devices`` of an effective policy; nothing for a sandbox that asked for none."""
    if shape is None:
        return
    output.title(f"Devices ({shape['asked']})")
    rows = [(one["name"], ", ".join(one["gpus"]) or "-", ", ".join(one["uuids"]) or "-", _from(one)) for one in shape["given"]]
    if rows:
        output.table(("device", "gpu", "uuid", "from"), rows, indent=2)
    else:
        output.line("  none: the GPU's runtime alone")
    if shape["env"]:
        output.title("Variables that the devices set")
        rows = [(f"{one['name']}={one['value']}", *_outcome(one)) for one in shape["env"]]
        output.table(("variable", "status", "from", "detail"), rows, indent=2)
    if shape["groups"]:
        output.title("Groups that the devices ask for")
        output.table(
            ("group", "status", "from", "detail"), [(str(one["gid"]), *_outcome(one)) for one in shape["groups"]], indent=2
        )
    if shape["hooks"]:
        output.title("Hooks of containers, not run in a sandbox")
        rows = [(" ".join(one["args"]) or one["path"], _from(one), one["detail"]) for one in shape["hooks"]]
        output.table(("hook", "from", "detail"), rows, indent=2)


def _outcome(one: dict[str, Any]) -> tuple[str, str, str]:
    return one["status"], _from(one), one["detail"] or "-"


def _from(one: dict[str, Any]) -> str:
    """Return the place in the spec, or the table that says so."""
    origin = one["origin"]
    if origin["file"] is None:
        return f"{origin['kind']}/{origin['name']}"
    return f"{origin['file']}:{origin['line']}" if origin["line"] else str(origin["file"])
