"""An effective policy as tables. Works on the documented JSON shape, so what is stored is what is shown."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from pyopenshell.cli import devices_view, output
from pyopenshell.effective.model import SEVERITIES
from pyopenshell.landlock.abi import RIGHTS
from pyopenshell.policy.access import READ_ONLY, READ_WRITE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

ADDITIONS = ("runtime", "contributor")
"""Origins that are listed on their own, whatever else is grouped."""

EXCEPTIONS = 2
"""Rights more or less than a word of the policy grants, beyond which the rights themselves are easier to read."""

HEADINGS = {
    "workdir": "The working directory",
    "baseline/process": "Baseline of every program (baseline/process)",
    "baseline/command": "Baseline of this command (baseline/command)",
    "baseline/proxy": "Baseline of a proxied network (baseline/proxy)",
    "baseline/gpu": "Baseline of the GPU runtime (baseline/gpu)",
}
"""Headings of the groups, by origin. Others stand under their origin's own name."""


def show(shape: dict[str, Any]) -> None:
    """Print everything an effective policy says, by origin, the runtime's own additions apart."""
    sandbox = shape["sandbox"]
    output.title(f"Effective policy of {sandbox['name']}")
    fields(
        ("state", sandbox["state"]),
        ("run", sandbox["run_id"]),
        ("policy", f"{_source(shape['source'])} (sha256 {shape['source']['sha256']})"),
        ("identity", identity(shape["identity"])),
        ("digest", shape["digest"]),
    )
    devices_view.show(shape.get("devices"))
    grants(shape)
    network(shape["network"])
    isolation(shape["isolation"])
    limits(shape.get("limits", ()))
    landlock(shape["landlock"])
    syscalls(shape["seccomp"])
    findings(shape["findings"])


def fields(*pairs: tuple[str, str]) -> None:
    """Print names and values, one a line."""
    width = max(len(name) for name, _ in pairs)
    for name, value in pairs:
        output.line(f"  {name:<{width}}  {value}")


def identity(shape: dict[str, Any]) -> str:
    """Return whom the sandbox runs as, in a line."""
    groups = ",".join(str(group) for group in shape["groups"]) or "none"
    return f"uid {shape['uid']}, gid {shape['gid']}, groups {groups} ({shape['source']})"


def grants(shape: dict[str, Any]) -> None:
    """Print the grants: what the operator declared, then each baseline, then the runtime's additions."""
    groups: dict[str, list[dict[str, Any]]] = {"declared": []}
    for grant in shape["grants"]:
        if grant["origin"]["kind"] not in ADDITIONS:
            groups.setdefault(origin(grant), []).append(grant)
    _group("Declared by your policy", groups.pop("declared"), extra="from")
    for name in sorted(groups, key=lambda name: (list(HEADINGS).index(name) if name in HEADINGS else 99, name)):
        from_a_file = any(grant["origin"]["file"] for grant in groups[name])
        _group(HEADINGS.get(name, f"From {name}"), groups[name], extra="from" if from_a_file else None)
    _group("Added by the runtime, not by your policy", shape["runtime_additions"], extra="origin")
    _contributors(shape.get("contributors", ()))


def _contributors(shown: Sequence[dict[str, Any]]) -> None:
    """Print who the third parties are whose grants stand among the additions, also where they added nothing."""
    if not shown:
        return
    output.title("Contributors that your policy names")
    keys = ("name", "distribution", "version", "entry_point")
    rows = [[*(one[key] for key in keys), _place(one)] for one in shown]
    output.table(("name", "distribution", "version", "entry point", "from"), rows, indent=2)


def _group(heading: str, shown: Sequence[dict[str, Any]], extra: str | None = None) -> None:
    output.title(heading)
    if not shown:
        output.line("  nothing")
        return
    # Almost everything is Landlock's: the column is only worth its width where it says something.
    by = any(grant["mechanism"] != "landlock" or grant["origin"]["kind"] in ADDITIONS for grant in shown)
    rows = []
    for grant in shown:
        row = {
            "path": _path(grant),
            "requested": words(grant["access"]),
            "actual": accepted(grant["access"], grant["actual"]),
        }
        row |= {"status": grant["status"]} | ({"mechanism": grant["mechanism"]} if by else {})
        row |= {"from": _place(grant["origin"])} if extra == "from" else {"origin": origin(grant)} if extra else {}
        rows.append(row | {"reason": _note(grant)})
    output.table(list(rows[0]), [list(row.values()) for row in rows], indent=2)


def origin(grant: dict[str, Any]) -> str:
    """Return an origin as it is spelled everywhere: ``baseline/gpu``."""
    kind, name = grant["origin"]["kind"], grant["origin"]["name"]
    return kind if kind in ("declared", "workdir") or not name else f"{kind}/{name}"


def words(access: Sequence[str]) -> str:
    """Return access rights in the fewest words: the policy's own, these less a few, or the rights themselves."""
    if not access:
        return "-"
    spelled = [",".join(right.name for right in RIGHTS if right.name in access)]
    for name, rights in (("read_only", READ_ONLY), ("read_write", READ_WRITE)):
        missing = [right for right in rights if right not in access]
        more = [right for right in access if right not in rights]
        if len(missing) + len(more) <= EXCEPTIONS:
            spelled.append(" ".join([name, *(f"+{right}" for right in more), *(f"-{right}" for right in missing)]))
    return min(spelled, key=len)


def accepted(requested: Sequence[str], actual: Sequence[str]) -> str:
    """Return what the kernel accepted, in words; ``same`` where that is all that was asked for."""
    return "same" if set(requested) == set(actual) else words(actual)


def _path(grant: dict[str, Any]) -> str:
    path, resolved = grant["path"], grant["resolved"]
    if grant.get("source"):
        return f"{path} = {grant['source']} of the host"
    return str(path) if resolved in (None, path) else f"{path} -> {resolved}"


def _note(grant: dict[str, Any]) -> str:
    """Return the reason, and what there is to know about the status."""
    detail = grant["detail"]
    parts = [grant["reason"].rstrip(".")]
    if detail["covered_by"]:
        return f"{parts[0]}; given by {detail['covered_by']}"
    if detail["message"]:
        parts.append(detail["message"])
    if detail["errno"] and detail["message"] != os.strerror(detail["errno"]):
        parts.append(errno.errorcode.get(detail["errno"], str(detail["errno"])))
    return "; ".join(parts)


def _place(source: dict[str, Any]) -> str:
    return ":".join(str(part) for part in (source["file"], source["line"]) if part) or "built in"


def network(shape: dict[str, Any]) -> None:
    """Print the network's mode, what enforces it, and what became of the policy's endpoints."""
    output.title("Network")
    fields(("mode", shape["mode"]), ("by", shape["mechanism"]))
    if shape["entries"]:
        rows = [(entry["endpoint"], entry["name"], entry["status"], entry["detail"]) for entry in shape["entries"]]
        output.table(("endpoint", "entry", "status", "note"), rows, indent=2)


def isolation(shape: dict[str, Any]) -> None:
    """Print how each kind of resource is kept apart."""
    output.title("Isolation")
    rows = [(kind, state["state"], state["mechanism"]) for kind, state in shape.items()]
    output.table(("resource", "state", "by"), rows, indent=2)


def limits(shown: Sequence[dict[str, Any]]) -> None:
    """Print what all of the sandbox together may take, where that is limited."""
    if not shown:
        return
    from pyopenshell.effective.limits import in_words

    output.title("Limits")
    rows = []
    for one in shown:
        asked, had = (one[key] and in_words(one["name"], one[key]) for key in ("requested", "actual"))
        actual = "-" if one["actual"] is None else "same" if one["actual"] == one["requested"] else had
        rows.append((one["name"], asked, actual, one["status"], one["mechanism"], one["detail"] or "-"))
    output.table(("limit", "requested", "actual", "status", "by", "note"), rows, indent=2)


def landlock(shape: dict[str, Any]) -> None:
    """Print the ABI in use, what is handled, and what this kernel leaves out."""
    output.title("Landlock")
    handled = ", ".join(shape["handled"]) or "nothing"
    fields(
        ("ABI", str(shape["abi"])),
        ("compatibility", shape["compatibility"]),
        ("handled", handled),
        *([("kernel log", _log(shape["log"]))] if "log" in shape else []),
    )
    if shape["dropped"]:
        rows = [
            (drop["right"], str(drop["needs_abi"]), drop.get("covered_by") or "-", drop["consequence"])
            for drop in shape["dropped"]
        ]
        output.table(("not handled", "needs ABI", "covered by", "consequence"), rows, indent=2)


def _log(shape: dict[str, Any]) -> str:
    """Return what the kernel logs of the denials, in words."""
    states = {"denials": "the program's denials", "off": "off", "missing": "none by this kernel"}
    flags = f" ({', '.join(shape['flags'])})" if shape["flags"] else ""
    quiet = f", none beneath {', '.join(shape['quiet'])}" if shape["quiet"] else ""
    return states[shape["state"]] + quiet + flags


def syscalls(shape: dict[str, Any]) -> None:
    """Print what the syscall filter is and comes to; and what it leaves open on purpose, with the reason."""
    output.title("Syscall filter")
    program = [("instructions", str(shape["count"])), ("sha256", shape["sha256"])]
    rows = shape.get("rows")
    if rows is None:  # an older record
        fields(*program)
        return
    refused = [row for row in rows if row["action"].startswith("errno:")]
    always = {row["syscall"] for row in refused if row["when"] == "always"}
    sometimes = {row["syscall"] for row in refused} - always
    program.append(("syscalls", f"{len(always)} refused always, {len(sometimes)} under a condition"))
    if brokered := sorted({row["syscall"] for row in rows if row["action"] == "notify"}):
        program.append(("brokered", f"{', '.join(brokered)} under a condition"))
    fields(*program)
    for row in rows:
        if row["action"] == "allow":
            output.paragraph(f"{row['syscall']}: {row['reason']}", indent=2, mark="allowed")
    output.paragraph("-o json lists every row; openshell why --syscall NAME says why.", indent=2)


def findings(shape: Sequence[dict[str, Any]]) -> None:
    """Print the findings, the gravest first, each with what to do."""
    output.title("Findings")
    if not shape:
        output.line("  none")
    for finding in sorted(shape, key=lambda finding: -SEVERITIES.index(finding["severity"])):
        output.paragraph(f"{finding['code']}: {finding['message']}", indent=2, mark=finding["severity"])
        for name in ("hint", "grant"):
            if finding[name]:
                output.paragraph(f"{name}: {finding[name]}", indent=6)


def _source(source: dict[str, Any]) -> str:
    """Say where a policy comes from. One without a file may be a client's, of this process or of the gateway."""
    from pyopenshell.policy import load

    if source["file"]:
        return str(source["file"])
    return "built in" if source["sha256"] == load.default().source.sha256 else "given by a program"
