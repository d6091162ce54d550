"""``openshell gpu list`` for people: a row for each GPU and instance, then the nodes that all of them share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyopenshell.cli import output

if TYPE_CHECKING:
    from typing import Any

SOURCES = {
    "nvml": "NVIDIA's library (NVML)",
    "procfs": "the driver (/proc/driver/nvidia)",
    "nodes": "the names in /dev alone",
}
"""Who told, in words."""


def show(shape: dict[str, Any]) -> None:
    """Print the document of ``gpu list``."""
    by = ", ".join(shape["visible_by"])
    rows = [row for gpu in shape["gpus"] for row in (_gpu(gpu, by), *(_mig(gpu, mig, by) for mig in gpu["migs"]))]
    if rows:
        output.table(("gpu", "model", "uuid", "bus", "visible", "node", "cdi"), rows)
    else:
        output.line("no GPU on this host")
    shared = [node for node in shape["nodes"] if node["role"] in ("control", "caps")]
    if shared:
        output.title("Nodes beside them")
        output.table(
            ("node", "state", "mode", "owner", "needed for"),
            [(one["path"], one["state"], one["mode"] or "-", _owner(one), one["reason"]) for one in shared],
            indent=2,
        )
    admin = [node for node in shape["nodes"] if node["role"] == "admin"]
    if admin:
        output.title("Nodes that manage the host's GPUs, never granted with one")
        output.table(("node", "what it is"), [(one["path"], one["reason"]) for one in admin], indent=2)
    _told(shape)


def _told(shape: dict[str, Any]) -> None:
    """Print the driver, who told, the CDI names left over, and the notes."""
    cdi = shape["cdi"]
    output.line()
    if shape["driver"] or any(gpu["vendor"] == "nvidia" for gpu in shape["gpus"]):
        output.line(f"NVIDIA driver: {shape['driver'] or 'version not told'}")
    if shape["gpus"]:
        output.line(f"told by: {SOURCES[shape['source']]}")
    if cdi["others"]:
        output.paragraph(f"CDI devices that hold no GPU of this host: {', '.join(cdi['others'])}")
    elif not any(one["cdi"] for gpu in shape["gpus"] for one in (gpu, *gpu["migs"])):
        read = [folder for folder in cdi["folders"] if folder not in cdi["unreadable"]]
        if read:
            output.line(f"no CDI device in {', '.join(read)}")
    if cdi["unreadable"]:
        output.line(f"CDI specs cannot be looked for in {', '.join(cdi['unreadable'])}: openshell gpu lint")
    if cdi["errors"]:
        many = "1 error" if cdi["errors"] == 1 else f"{cdi['errors']} errors"
        output.line(f"{many} in CDI specs: openshell gpu lint")
    for note in shape["notes"]:
        output.paragraph(note, mark="note:")


def _gpu(gpu: dict[str, Any], by: str) -> tuple[str, ...]:
    model = gpu["name"] or gpu["vendor"]
    return (str(gpu["index"]), model, gpu["uuid"] or "-", gpu["bus"] or "-", *_rest(gpu, by))


def _mig(gpu: dict[str, Any], mig: dict[str, Any], by: str) -> tuple[str, ...]:
    place = f"{gpu['index']}:{mig['index']}"
    model = mig["name"] or f"MIG {mig['gpu_instance']}/{mig['compute_instance']}"
    return (f"  {place}", model, mig["uuid"] or "-", "", *_rest(mig, by))


def _rest(one: dict[str, Any], by: str) -> tuple[str, str, str]:
    seen = "yes" if one["visible"] else f"no ({by})"
    return seen, _nodes(one["nodes"]), ", ".join(one["cdi"]) or "-"


def _nodes(nodes: list[dict[str, Any]]) -> str:
    """Return the first node, how many more there are, and each that cannot be opened with its mode and owner."""
    if not nodes:
        return "-"
    more = f" and {len(nodes) - 1} more" if len(nodes) > 1 else ""
    closed = [one for one in nodes if one["state"] != "ok"]
    why = "; ".join(f"{one['path']} {_closed(one)}" if more else _closed(one) for one in closed)
    return f"{nodes[0]['path']}{more}" + (f" ({why})" if why else "")


def _closed(one: dict[str, Any]) -> str:
    """Say why a node cannot be opened. Where its mode lets everybody in, a device cgroup is what is left as a rule."""
    if one["state"] != "denied":
        return str(one["state"])
    rest = ", not by its mode: by a device cgroup?" if one["mode"][7:9] == "rw" else f": {one['mode']} {_owner(one)}"
    return f"denied{rest}"


def _owner(one: dict[str, Any]) -> str:
    return f"{one['owner']}:{one['group']}" if one["owner"] else "-"
