"""What the supervisor sees for itself, from ``/proc/<pid>``, before it lets the program start.

The receipt is the child's word. These checks are not: they are read by the supervisor, outside the sandbox.
"""

from __future__ import annotations

import os

from pyopenshell.errors import LaunchError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyopenshell.launch.plan import Plan

LINKS = {"user": "user", "mount": "mnt", "pid": "pid", "net": "net", "ipc": "ipc"}


def links(pid: int | str) -> dict[str, int | None]:
    """Return the inode of each namespace of a process, None where it cannot be read."""
    return {kind: _inode(f"/proc/{pid}/ns/{name}") for kind, name in LINKS.items()}


def _inode(path: str) -> int | None:
    """Return the number in ``kind:[number]`` (namespaces(7)). Not stat: AppArmor may refuse what the link leads to."""
    try:
        return int(os.readlink(path).partition("[")[2].rstrip("]"))
    except OSError:
        return None


def status(pid: int) -> dict[str, str]:
    """Return the fields of ``/proc/<pid>/status`` (proc_pid_status(5))."""
    with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
        return {key: value.strip() for key, _, value in (line.partition(":") for line in file)}


def credentials(fields: dict[str, str]) -> dict[str, Any]:
    """Return the receipt's ``credentials`` from a status."""
    return {
        "uid": int(fields["Uid"].split()[1]),
        "gid": int(fields["Gid"].split()[1]),
        "groups": [int(number) for number in fields["Groups"].split()],
        "capabilities": fields["CapEff"],
        "no_new_privs": fields.get("NoNewPrivs") == "1",
    }


def receipt(
    plan: Plan,
    told: dict[str, Any],
    init: int,
    inside: dict[str, int | None],
    *,
    stem: int,
    served: dict[str, Any] | None,
    unbounded: bool = True,
) -> dict[str, Any]:
    """Return the whole receipt: what the child told, and what is seen here of init and stem (their pids).

    ``inside`` are init's namespaces, ``served`` is the part about the broker. Unless ``unbounded``, the bounding set
    must be empty: another process than init emptied it. Raises LaunchError when a check does not hold.
    """
    fields = status(init)
    bounding = () if unbounded else (_check("CapBnd", "0" * 16, fields["CapBnd"]),)
    seen = [*verify(plan, fields, inside), *bounding, *(broker(plan, status(stem)) if plan.broker else ())]
    for check in seen:
        if not check["ok"]:
            raise LaunchError(
                f"the sandbox is not what was asked for: {check['name']} is {check['observed']}, "
                f"expected {check['expected']}",
                step="receipt",
                hint="nothing was run; please report this with the output of 'openshell doctor'",
            )
    return {
        "schema": "pyopenshell.receipt/1",
        "effective_digest": plan.digest,
        "steps": told["steps"],
        "rules": told["rules"],
        "landlock": told["landlock"],
        "credentials": credentials(fields),
        "namespaces": inside,
        "seccomp": told["seccomp"],
        "canary": told["canary"],
        "thread_names": plan.thread_names,
        "broker": served,
        "supervisor_checks": seen,
        "reach": told["reach"],
        "created": told["created"],
        "unbound": told["unbound"],
    }


def verify(plan: Plan, fields: dict[str, str], inside: dict[str, int | None]) -> list[dict[str, Any]]:
    """Compare what was planned with what is seen. Each check: name, expected, observed, ok."""
    own = links("self")
    found = _powerless(plan, fields)
    for kind, private in plan.namespaces.items():
        seen = inside[kind]
        observed = "unreadable" if seen is None else "shared" if seen == own[kind] else "private"
        found.append(_check(f"{kind} namespace", "private" if private else "shared", observed))
    return found


def broker(plan: Plan, fields: dict[str, str]) -> list[dict[str, Any]]:
    """Compare the broker, which stands outside the sandbox, with what it must be."""
    return [{**check, "name": f"broker {check['name']}"} for check in _powerless(plan, fields)]


def _powerless(plan: Plan, fields: dict[str, str]) -> list[dict[str, Any]]:
    """Compare a process with one of the plan's identity that has no privilege, and a filter."""
    return [
        _check("uid", " ".join([str(plan.uid)] * 4), " ".join(fields["Uid"].split())),
        _check("gid", " ".join([str(plan.gid)] * 4), " ".join(fields["Gid"].split())),
        _check("groups", _numbers(plan.groups), _numbers(int(number) for number in fields["Groups"].split())),
        *(_check(name, "0" * 16, fields[name]) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")),
        _check("no_new_privs", "1", fields.get("NoNewPrivs", "unknown")),
        _check("seccomp", "2", fields.get("Seccomp", "unknown")),
    ]


def _check(name: str, expected: str, observed: str) -> dict[str, Any]:
    return {"name": name, "expected": expected, "observed": observed, "ok": expected == observed}


def _numbers(values: Any) -> str:
    return " ".join(str(number) for number in sorted(set(values)))
