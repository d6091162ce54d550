"""``openshell sandbox inspect`` as text: what was asked for beside what the kernel accepted and the supervisor saw."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from pyopenshell.cli import effective_view, output
from pyopenshell.cli.effective_view import fields
from pyopenshell.cli.records import command
from pyopenshell.cli.run_options import ALL_GPUS

if TYPE_CHECKING:
    from typing import Any


META = ("executable", "owner_pid", "workdir", "user", "gpu", "environment")
"""What ``meta.json`` adds to a sandbox's summary, in the order shown."""
CREDENTIALS = ("uid", "gid", "groups", "capabilities", "no_new_privs")


def show(parts: dict[str, Any], path: str) -> None:
    """Print a run's record, in the shape of ``runs.told.inspection``. Parts it did not get to are named as missing."""
    summary = parts["sandbox"]
    output.title(f"Sandbox {summary['name']}", first=True)
    meta = parts["meta"] or {}
    fields(
        ("state", summary["state"]),
        ("run", summary["id"]),
        ("started", summary["started"]),
        ("command", command(summary["command"])),
        *((key, "all" if meta[key] == ALL_GPUS else _text(meta[key])) for key in META if meta.get(key, "") != ""),
        ("ended", ended(parts["exit"])),
        ("record", path),
    )
    effective, receipt = parts["effective"], parts["receipt"]
    if effective is None:
        output.title("Effective policy")
        output.line("  none: the launch did not get that far")
    else:
        effective_view.show(effective)
    if receipt is None:
        output.title("Receipt")
        output.line("  none: no program was started")
    else:
        _receipt(receipt, effective)
        if receipt.get("broker"):
            _broker(receipt["broker"], (parts["exit"] or {}).get("broker"))


def _text(value: object) -> str:
    """Return a value of ``meta.json`` on one line."""
    if isinstance(value, list):
        return ", ".join(_text(item) for item in value) or "-"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_text(item)}" for key, item in value.items()) or "-"
    return "-" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def ended(end: dict[str, Any] | None) -> str:
    """Return how the command ended, in words."""
    if end is None:
        return "not yet, or without a word"
    if end.get("error"):
        text = f"the launch failed: {end['error']['message']} (exit code {end['code']})"
    elif end.get("lost"):
        text = f"{end['lost']} (exit code {end['code']})"
    elif end.get("signal"):
        text = f"signal {end['signal']} (exit code {end['code']})"
    elif end.get("exec_errno"):
        text = f"it never started: {_errno(end['exec_errno'])} (exit code {end['code']})"
    elif "programs" in end:
        text = f"closed by its owner, after {end['programs']} programs"
    else:
        text = f"exit code {end['code']}"
    survivors = end.get("survivors")
    return text + (f"; processes that could not be ended: {_text(survivors)}" if survivors else "")


def _log(landlock: dict[str, Any]) -> str:
    """Return what landlock_restrict_self(2) took about logging; older receipts say nothing of it."""
    quiet = [path["path"] for path in landlock["quiet"] if not path["errno"]]
    taken = ", ".join(landlock["log"]) or "no flag"
    return taken + (f"; nothing beneath {', '.join(quiet)}" if quiet else "")


def _receipt(receipt: dict[str, Any], effective: dict[str, Any] | None) -> None:
    output.title("Receipt: what the kernel accepted")
    credentials, canary, names = receipt["credentials"], receipt["canary"], receipt.get("thread_names")
    same = effective is not None and effective["digest"] == receipt["effective_digest"]
    told = "the effective policy above" if same else "NOT the effective policy above"
    fields(
        ("digest", f"{receipt['effective_digest']} ({told})"),
        ("credentials", ", ".join(f"{key} {_text(credentials[key])}" for key in CREDENTIALS)),
        ("namespaces", ", ".join(f"{kind} {_text(inode)}" for kind, inode in receipt["namespaces"].items())),
        *([("kernel log", _log(receipt["landlock"]))] if "landlock" in receipt else []),
        ("seccomp", f"mode {receipt['seccomp']['mode']}, sha256 {receipt['seccomp']['sha256']}"),
        ("canary", f"{canary['path']}: {_errno(canary['errno'])}"),
        *([("thread names", f"{names['mechanism']}: {names['why']}")] if names else []),
    )
    output.title("Rules")
    rows = [
        [
            rule["grant"],
            f"{rule['dev']}:{rule['ino']}",
            effective_view.words(rule["requested"]),
            effective_view.accepted(rule["requested"], rule["actual"]),
            _errno(rule.get("errno")),
        ]
        for rule in receipt["rules"]
    ]
    output.table(("grant", "device:inode", "requested", "actual", "error"), rows, indent=2)
    output.title("Checks by the supervisor")
    rows = [
        [check["name"], check["expected"], check["observed"], "ok" if check["ok"] else "fail"]
        for check in receipt["supervisor_checks"]
    ]
    output.table(("check", "expected", "observed", "result"), rows, indent=2)
    output.title("Steps of the launch")
    rows = [[str(step["n"]), step["name"], str(step["result"]), _errno(step["errno"])] for step in receipt["steps"]]
    output.table(("step", "name", "result", "error"), rows, indent=2)


def _broker(broker: dict[str, Any], counts: dict[str, Any] | None) -> None:
    """Print who brokers, and what it answered: the counts are there when the sandbox has ended."""
    output.title("Broker of CUDA's thread names")
    if not broker["own"]:
        output.line("  that of the sandbox around this one")
        return
    kinds = {kind: number for kind, number in (counts or {}).get("by_kind", {}).items() if number}
    fields(
        ("process", f"pid {broker['pid']}, an ancestor of everything in the sandbox"),
        ("signals", "only fatal ones interrupt an open" if broker["killable"] else "may interrupt an open"),
        ("answers", _text(kinds) if counts else "counted when the sandbox ends; openshell logs shows first uses"),
        *([("untold", f"{counts['untold']} without an event")] if counts and counts["untold"] else []),
    )


def _errno(number: int | None) -> str:
    return "-" if not number else errno.errorcode.get(number, str(number))
