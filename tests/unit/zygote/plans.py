"""Real plans of this host, and receipts such as a kernel would give for them."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from pyopenshell.effective.model import Effective
from pyopenshell.planning import Planned, RunRequest, plan
from pyopenshell.policy import load

if TYPE_CHECKING:
    from pathlib import Path

NAME, RUN_ID, TIME = "merry-otter-1a2b", "01KDYKEVJE0123456789ABCDEF", 1_767_323_045_678
PROGRAMS = ("python3", "python")


def planned(workdir: Path, text: str | None = None, **request: Any) -> Planned:
    """Plan a sandbox for programs that come later, under a policy that is given as text."""
    policy = None if text is None else load.parse(text.encode(errors="surrogateescape"), "/made/up/policy.yaml")
    fields = {"command": (), "programs": PROGRAMS, "workdir": str(workdir), "policy": policy}
    return plan(RunRequest(**(fields | request)))


def receipt(found: Planned, **changes: Any) -> dict[str, Any]:
    """Return a receipt by which every rule was accepted as it was asked for."""
    grants = [one for one in found.effective.grants if one.status == "planned" and one.mechanism == "landlock"]
    served = [one.id for one in found.effective.grants if one.mechanism == "broker"]
    return {
        "schema": "pyopenshell.receipt/1",
        "effective_digest": found.plan.digest,
        "steps": [{"n": 4, "name": "fork init", "result": "done", "errno": 0}],
        "rules": [rule(grant) for grant in grants],
        "landlock": {"log": [], "quiet": []},
        "credentials": {
            "uid": found.identity.uid,
            "gid": found.identity.gid,
            "groups": list(found.identity.groups),
            "capabilities": "0" * 16,
            "no_new_privs": True,
        },
        "namespaces": {"mount": 4026532000, "pid": 4026532001},
        "seccomp": {"sha256": found.plan.filter_sha256, "mode": "filter"},
        "canary": {"path": "/", "errno": 13},
        "thread_names": None,
        "broker": {"grants": served, "own": True, "pid": 7, "killable": True, "in_step": True} if served else None,
        "supervisor_checks": [{"name": "uid", "expected": "1", "observed": "1", "ok": True}],
        "reach": [],
        "created": [],
        "unbound": {},
    } | changes


def rule(grant: Any, **changes: Any) -> dict[str, Any]:
    """Return what a receipt says of one rule."""
    access = list(grant.access)
    return {"grant": grant.id, "dev": 1, "ino": 2, "requested": access, "actual": access, "errno": 0} | changes


def renamed(effective: Effective, name: str = NAME, run_id: str = RUN_ID) -> Effective:
    """Return an effective policy for a sandbox of this name."""
    return effective.replace(name=name, run_id=run_id)


def unreadable(found: Planned) -> dict[str, Any]:
    """Return a receipt by which file modes deny the identity what a third of its grants give."""
    told = receipt(found)
    denied = {"folder": True, "find": 0, "read": 13, "write": 13, "execute": 0}
    return told | {"reach": [{"grant": one["grant"], **denied} for one in told["rules"][::3]]}


def missing(found: Planned) -> dict[str, Any]:
    """Return a receipt by which half of the paths could not be opened, and one was not to be kept quiet."""
    told = receipt(found)
    for one in told["rules"][::2]:
        one.update(actual=[], errno=2, dev=None, ino=None)
    quiet = [{"path": "/no/such", "dev": None, "ino": None, "errno": errno.ENOENT}]
    return told | {"landlock": {"log": [], "quiet": quiet}}


def failed(found: Planned) -> dict[str, Any]:
    """Return a receipt with a check that did not hold and a canary that was not denied."""
    checks = [{"name": "groups", "expected": "1", "observed": "2", "ok": False}]
    return receipt(found, supervisor_checks=checks, canary={"path": "/", "errno": 0})


def created(found: Planned) -> dict[str, Any]:
    """Return a receipt by which all folders were made."""
    told = receipt(found)
    return told | {"created": [one["grant"] for one in told["rules"]]}
