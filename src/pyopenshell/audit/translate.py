"""The only place that builds audit events: OCSF 1.8.0 (https://schema.ocsf.io/1.8.0), as plain dicts.

Everything here is pure. What OCSF has no word for goes under ``unmapped``. Environment variables appear by name only.
Tests hold every class against the official schema.
"""

from __future__ import annotations

from pyopenshell.audit.event import NUMBERED, SEVERITIES, actor, build, policy
from pyopenshell.effective.model import Finding
from pyopenshell.record import plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyopenshell.audit.context import Context, Process
    from pyopenshell.effective.devices import Devices
    from pyopenshell.effective.model import Effective, Grant
    from pyopenshell.launch.reports import Counts, Use

COMMAND_LINE_LIMIT = 4096
"""Characters of a command line that an event carries; ``meta.json`` keeps the whole."""

_EACCES = 13
_ORDINARY = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./-_")


def enrichments(effective: Effective, context: Context) -> list[dict[str, Any]]:
    """Return one Device Config State Change for every grant that the operator did not declare."""
    source = policy(effective)
    grants = [grant for grant in effective.grants if grant.origin.kind != "declared"]
    events = [{**_grant(grant, context), "policy": source} for grant in grants]
    contributors = {one.name: one for one in effective.contributors}
    for grant, event in zip(grants, events, strict=True):
        if grant.origin.kind == "contributor" and grant.origin.name in contributors:
            event["unmapped"]["contributor"] = contributors[grant.origin.name].as_dict()
    return events


def _grant(grant: Grant, context: Context) -> dict[str, Any]:
    added = grant.is_addition
    verb = "Runtime addition" if added else "Enrichment"
    event = build(
        5019,
        1,
        context,
        code="grant.runtime-addition" if added else "grant.enrichment",
        severity=_grant_severity(grant),
        message=f"{verb} from {grant.origin}: {', '.join(grant.access)} on {grant.path}"
        f"{f', which is {grant.source} of the host' if grant.source else ''}: {grant.reason}",
        unmapped={"runtime_addition": added, "grant": grant.as_dict()},
    )
    event |= {
        "actor": actor(context),
        "state_id": 99,
        "state": "Added" if added else "Enriched",
        "status_id": 1 if grant.status == "enforced" else 99,
        "status": "Success" if grant.status == "enforced" else grant.status.capitalize(),
    }
    if grant.detail.message:
        event["status_detail"] = grant.detail.message
    if grant.status in ("enforced", "covered", "blocked"):
        event |= {"action_id": 1, "action": "Allowed", "disposition_id": 1, "disposition": "Allowed"}
    return event


def _devices(devices: Devices) -> dict[str, Any]:
    """Return what was given besides paths: of variables the names, of hooks the programs that were not run."""
    return {
        "asked": devices.asked,
        "given": [{"name": one.name, "uuids": list(one.uuids), "origin": str(one.origin)} for one in devices.given],
        "variables": [one.name for one in devices.env if one.status == "set"],
        "groups": [one.gid for one in devices.groups if one.status == "member"],
        "hooks_not_run": [f"{one.stage} {one.path}" for one in devices.hooks],
    }


def _grant_severity(grant: Grant) -> str:
    """Return High for writing to /proc, which reaches the kernel's settings; Low for other additions."""
    if grant.status == "skipped":
        return "Informational"
    paths = (grant.path, grant.resolved or grant.path)
    on_proc = any(path == "/proc" or path.startswith("/proc/") for path in paths)
    if on_proc and grant.mechanism == "landlock" and "write_file" in grant.access:
        return "High"
    return "Low" if grant.is_addition else "Informational"


def enforcement(effective: Effective, receipt: dict[str, Any], context: Context) -> dict[str, Any]:
    """Return the Device Config State Change that says what the kernel enforces, from its receipt.

    It is a failure, severity High, when a check of the supervisor did not hold, or none was made, or the canary was
    not denied.
    """
    failed = [check["name"] for check in receipt["supervisor_checks"] if not check["ok"]]
    if not receipt["supervisor_checks"]:
        failed.append("supervisor")
    if (receipt["canary"] or {}).get("errno") != _EACCES:
        failed.append("canary")
    landlock, rules = effective.landlock, receipt["rules"]
    verdict = f"checks that failed: {', '.join(failed)}" if failed else "all checks hold"
    event = build(
        5019,
        1,
        context,
        code="sandbox.enforced",
        severity="High" if failed else "Informational",
        message=f"The kernel enforces {len(rules)} Landlock rules at ABI {landlock.abi} and a syscall filter of "
        f"{effective.seccomp.count} instructions; {verdict}",
        unmapped={
            "effective_digest": receipt["effective_digest"],
            "landlock": landlock.as_dict(),
            "rules": len(rules),
            "seccomp": {
                "sha256": effective.seccomp.sha256,
                "count": effective.seccomp.count,
                "mode": receipt["seccomp"]["mode"],
            },
            "isolation": plain(effective.isolation),
            "network": {"mode": effective.network.mode, "mechanism": effective.network.mechanism},
            "credentials": receipt["credentials"],
            "canary": receipt["canary"],
            "checks": {"total": len(receipt["supervisor_checks"]) + 1, "failed": failed},
            **({"devices": _devices(effective.devices)} if effective.devices else {}),
        },
    )
    return event | {
        "actor": actor(context),
        "policy": policy(effective),
        "state_id": 99,
        "state": "Enforced",
        "status_id": 2 if failed else 1,
        "status": "Failure" if failed else "Success",
    }


def launched(process: Process, context: Context, *, failure: str | None = None) -> dict[str, Any]:
    """Return the Process Activity *Launch* of the command. ``failure`` says why it could not be launched."""
    done = "could not be launched" if failure else "launched"
    event = _process_event(1, process, context, "process.launch", f"{process.path} {done} in sandbox {context.sandbox}")
    event["unmapped"]["environment_names"] = sorted({name.partition("=")[0] for name in process.environment})
    event |= {"launch_type_id": 3, "launch_type": "Exec"}
    if failure:
        event |= {"status_id": 2, "status": "Failure", "status_detail": failure}
    return event


def exited(process: Process, context: Context, *, code: int = 0, signal: int | None = None) -> dict[str, Any]:
    """Return the Process Activity *Terminate*: with the exit code, or 128+n after signal n, which is named too."""
    if signal is None:
        status, how = code, f"exited with {code}"
    else:
        status, how = 128 + signal, f"was killed by signal {signal}"
    event = _process_event(2, process, context, "process.exit", f"{process.path} {how} in sandbox {context.sandbox}")
    event["process"]["terminated_time"] = context.time
    event["exit_code"] = status
    event["unmapped"]["signal"] = signal
    if process.started is not None:
        event |= {"start_time": process.started, "end_time": context.time}
        event["duration"] = max(0, context.time - process.started)
    return event


def _process_event(activity: int, process: Process, context: Context, code: str, message: str) -> dict[str, Any]:
    line = command_line(process.argv)
    cut = len(line) > COMMAND_LINE_LIMIT
    event = build(
        1007, activity, context, code=code, severity="Informational", message=message, unmapped={"gid": process.gid}
    )
    shape: dict[str, Any] = {
        "uid": context.run_id,
        "name": process.path.rpartition("/")[2],
        "path": process.path,
        "cmd_line": line[:COMMAND_LINE_LIMIT],
        "working_directory": process.workdir,
        "sandbox": context.sandbox,
        "user": {"uid": str(process.uid), "name": process.user},
    }
    if process.pid is not None:
        shape["pid"] = process.pid
    if process.inside is not None:
        shape["namespace_pid"] = process.inside
        event["metadata"]["profiles"].append(NUMBERED)
    if process.started is not None:
        shape["created_time"] = process.started
    if cut:
        event["metadata"]["is_truncated"] = True
        event["unmapped"]["cmd_line_length"] = len(line)
    return event | {"actor": actor(context), "process": shape, "status_id": 1, "status": "Success"}


def command_line(argv: tuple[str, ...]) -> str:
    """Join arguments as a shell would have to be given them (sh(1), quoting)."""
    return " ".join(
        argument if argument and _ORDINARY.issuperset(argument) else "'" + argument.replace("'", "'\\''") + "'"
        for argument in argv
    )


def finding(found: Finding, context: Context) -> dict[str, Any]:
    """Return the Detection Finding for something weaker than asked, or else worth knowing."""
    event = build(
        2004,
        1,
        context,
        code=found.code,
        severity=found.severity,
        message=found.message,
        unmapped={"grant": found.grant},
    )
    event |= {
        "status_id": 1,
        "status": "New",
        "is_alert": SEVERITIES[found.severity] >= SEVERITIES["High"],
        "finding_info": {
            "uid": found.code,
            "uid_alt": ":".join(part for part in (context.run_id, found.code, found.grant) if part),
            "title": found.message,
            "created_time": context.time,
        },
    }
    if found.hint:
        event["remediation"] = {"desc": found.hint}
    if found.grant:
        event["resources"] = [{"uid": found.grant, "type": "grant"}]
    return event


def verified(verdict: str, summary: str, counts: dict[str, int], context: Context) -> dict[str, Any]:
    """Return the Detection Finding that a verification was made, by whom and with what verdict.

    Each drift has a finding of its own. What a probe made the broker refuse is in the log around it.
    """
    who = f"{context.user} (uid {context.uid})"
    code = "sandbox.verified"
    message = f"Sandbox {context.sandbox} was verified for {who}: {verdict}: {summary}"
    event = finding(Finding(code, "Informational", message), context)
    event["unmapped"] |= {"verdict": verdict, "counts": counts}
    # One for each time, where other findings have one for each thing that was found.
    event["finding_info"]["uid_alt"] = f"{context.run_id}:{code}:{context.time}"
    return event | {"actor": actor(context)}


def brokered(use: Use, context: Context) -> dict[str, Any]:
    """Return the File System Activity *Open* of a process that named a thread, or asked for what it may not.

    A refusal is the broker's: it let the kernel go on, so Landlock decided. The path is what the process asked for.
    """
    granted = use.is_granted
    path = use.path.decode(errors="surrogateescape")
    told = "opened a thread's name through the broker" if granted else f"was not helped by the broker: {use.kind}"
    event = build(
        1001,
        14,
        context,
        code="broker.granted" if granted else "broker.refused",
        severity="Informational" if granted else "Low",
        message=f"Process {use.pid} of sandbox {context.sandbox} {told}",
        unmapped={"mechanism": "broker", "reason": None if granted else use.kind, "pid_in_sandbox": use.inside or None},
    )
    return event | {
        "actor": {**actor(context), "process": {"pid": use.pid, "sandbox": context.sandbox}},
        "file": {"name": path.rpartition("/")[2], "path": path or "unknown", "type_id": 1, "type": "Regular File"},
        "status_id": 1 if granted else 2,
        "status": "Success" if granted else "Failure",
        "action_id": 1 if granted else 3,
        "action": "Allowed" if granted else "Observed",
        "disposition_id": 1 if granted else 17,
        "disposition": "Allowed" if granted else "Logged",
    }


def lifecycle(activity: str, context: Context, broker: Counts | None = None) -> dict[str, Any]:
    """Return the Application Lifecycle event of the sandbox; ``activity`` is ``Start`` or ``Stop``.

    ``broker``: what its broker answered, for the end.
    """
    number, done = {"Start": (3, "started"), "Stop": (4, "stopped")}[activity]
    event = build(
        6002,
        number,
        context,
        code=f"sandbox.{activity.lower()}",
        severity="Informational",
        message=f"Sandbox {context.sandbox} {done}",
        unmapped={"broker": broker.as_dict()} if broker else {},
    )
    return event | {
        "actor": actor(context),
        "app": {"name": context.sandbox, "uid": context.run_id, "version": context.version},
        "status_id": 1,
        "status": "Success",
    }
