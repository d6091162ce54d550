"""``openshell policy`` through a gateway: revisions, and what changes them."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING

from pyopenshell.cli import output, remote, sandbox_request
from pyopenshell.cli.sandbox_remote import write
from pyopenshell.cli.sandbox_view import moment
from pyopenshell.errors import OpenShellError, StateError, UsageError

if TYPE_CHECKING:
    import argparse
    from typing import Any

    from pyopenshell.cli.remote import Remote

LATE = 124
"""The exit code where ``--wait`` waited in vain."""
PAGE = 200
STORED: tuple[str, ...] = ("sandbox", "revision", "active", "status", "policy_hash")
STORED += ("created", "loaded", "error", "provenance", "policy")
"""The keys of ``policy get -o json``."""
SHOWN = ("pyopenshell/runtime-additions", "pyopenshell/network", "pyopenshell/findings")
"""What a table shows of a revision's provenance: what its author did not write."""


def get_global(arguments: argparse.Namespace) -> int:
    """Print the gateway's policy for all sandboxes."""
    with remote.required(arguments) as there:
        from pyopenshell.gateway import policy_wire

        answer = there.call("GetSandboxPolicyStatus", **_about(arguments), version=arguments.rev)
        policy = policy_wire.to_policy(answer.revision.policy, {})
    if arguments.output == "table":
        write(policy.source.text)
    else:
        told = {"sandbox": None, **revision(there, answer.revision, answer.active_version)}
        output.document(told | {"policy": policy.declared}, arguments.output)
    return 0


def get(there: Remote, arguments: argparse.Namespace) -> int:
    """Print a revision of a sandbox's policy: as stored, or with everything in force behind it."""
    answer = there.report("GetEffectivePolicy", arguments.name, revision=arguments.rev)
    if arguments.full:
        _full(arguments, answer)
    elif arguments.output != "table":
        output.document(_stored(there, arguments.name, answer), arguments.output)
    else:
        write(answer.declared_yaml)
        if not arguments.base:
            output.line()
            output.line(f"# What the runtime adds is shown by: openshell policy get {arguments.name} --full")
    return 0


def _full(arguments: argparse.Namespace, answer: Any) -> None:
    if not answer.effective_json:
        if answer.revision != answer.active_revision:
            raise StateError(
                f"revision {answer.revision} of {arguments.name} is not in force: of such only the text is kept",
                hint=f"without --full it is shown; revision {answer.active_revision} is in force",
            )
        raise StateError(
            f"sandbox {arguments.name} has no effective policy: its launch did not get that far",
            hint=f"openshell sandbox inspect {arguments.name} shows what there is",
        )
    shape = json.loads(answer.effective_json)
    if arguments.output != "table":
        output.document(shape, arguments.output)
        return
    from pyopenshell.cli import effective_view

    output.title(f"Policy of {arguments.name}, as written", first=True)
    write(answer.declared_yaml)
    effective_view.show(shape)


def _stored(there: Remote, name: str, answer: Any) -> dict[str, Any]:
    from pyopenshell.policy import load

    status = there.call("GetSandboxPolicyStatus", sandbox=name, version=answer.revision).revision
    return {
        "sandbox": name,
        **revision(there, status, answer.active_revision),
        "policy": load.parse(answer.declared_yaml.encode(), f"{name}, revision {answer.revision}").declared,
    }


def revision(there: Remote, told: Any, active: int) -> dict[str, Any]:
    """Return what is printed of a revision."""
    states = there.messages.PolicyStatus.DESCRIPTOR.values_by_number
    state = states[told.status].name if told.status in states else str(told.status)
    return {
        "revision": told.version,
        "active": told.version == active,
        "status": state.removeprefix("POLICY_STATUS_").lower(),
        "policy_hash": told.policy_hash,
        "created": moment(told.created_time),
        "loaded": moment(told.loaded_time),
        "error": told.load_error or None,
        "provenance": dict(sorted(told.provenance.items())),
    }


def list_(arguments: argparse.Namespace) -> int:
    """Print the revisions of a policy, the newest first."""
    about = _about(arguments)
    with remote.required(arguments) as there:
        active = there.call("GetSandboxPolicyStatus", **about).active_version
        found: list[Any] = []
        token = ""
        while arguments.limit is None or len(found) < arguments.limit:
            page = there.call("ListSandboxPolicies", page_size=PAGE, page_token=token, **about)
            found += page.revisions
            token = page.next_page_token
            if not token:
                break
        newest = sorted(found, key=lambda one: -one.version)[: arguments.limit]
        rows = [revision(there, one, active) for one in newest]
    if arguments.output != "table":
        output.document(rows, arguments.output)
        return 0
    columns = ("revision", "active", "status", "created (UTC)", "hash", "provenance")
    output.table(columns, [_row(row) for row in rows])
    return 0


def _row(shape: dict[str, Any]) -> list[str]:
    told = [shape["error"]] if shape["error"] else []
    told += [shape["provenance"][key] for key in SHOWN if key in shape["provenance"]]
    active = "yes" if shape["active"] else "-"
    when = (shape["created"] or "-").replace("T", " ").removesuffix("Z")
    return [str(shape["revision"]), active, shape["status"], when, shape["policy_hash"][:12], " ".join(told) or "-"]


def _about(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the fields that say whose policy is meant."""
    if arguments.everywhere:
        if getattr(arguments, "name", None):
            raise UsageError("--global is for all sandboxes, and one is named", hint="leave one of them out")
        return {"global": True}
    return {"sandbox": remote.sandbox(arguments.name)}


def set_(arguments: argparse.Namespace) -> int:
    """Give a sandbox, or all, another policy. What is wrong with the file is said with its lines, before it is sent."""
    about = _about(arguments)
    from pyopenshell.policy import load

    policy = load.load(arguments.policy)
    with remote.required(arguments) as there:
        if arguments.everywhere:
            _agreed(arguments, "This policy will be that of every sandbox of the gateway.")
        from pyopenshell.gateway import policy_wire

        sent = policy_wire.annotations_of(policy)
        with sandbox_request.lines_of(arguments.policy, sent):
            return _update(there, arguments, about, {"policy": policy_wire.to_wire(policy), "annotations": sent})


def update(arguments: argparse.Namespace) -> int:
    """Change single rules of a sandbox's network policy."""
    from pyopenshell.cli import policy_operations

    name = remote.sandbox(arguments.name)
    with remote.required(arguments) as there:
        operations = policy_operations.read(arguments)
        if arguments.dry_run:
            shape = policy_operations.shape(operations)
            output.document(shape, "yaml" if arguments.output == "table" else arguments.output)
            return 0
        return _update(there, arguments, {"sandbox": name}, {"merge_operations": operations})


def _update(there: Remote, arguments: argparse.Namespace, about: dict[str, Any], fields: dict[str, Any]) -> int:
    answer = there.call("UpdateConfig", **about, **fields)
    shape = {"revision": answer.version, "policy_hash": answer.policy_hash, "status": "sent"}
    if arguments.wait and not about.get("global"):
        shape["status"] = _loaded(there, about, answer.version, arguments.timeout)
    if arguments.output != "table":
        output.document(shape, arguments.output)
    else:
        output.line(f"revision {answer.version}" + (f": {shape['status']}" if arguments.wait else ""))
    return {"pending": LATE, "failed": 1}.get(shape["status"], 0)


def _loaded(there: Remote, about: dict[str, Any], version: int, seconds: int) -> str:
    """Return a revision's state once it is loaded or failed; ``pending`` where that takes too long."""
    end = time.monotonic() + seconds
    while True:
        told = there.call("GetSandboxPolicyStatus", **about, version=version)
        shape = revision(there, told.revision, told.active_version)
        if shape["status"] == "failed":
            raise OpenShellError(f"revision {version}: {shape['error'] or 'it failed'}", code="policy.failed")
        if shape["status"] != "pending" or time.monotonic() > end:
            return str(shape["status"])
        time.sleep(0.05)


def delete(arguments: argparse.Namespace) -> int:
    """Remove the gateway's policy for all sandboxes."""
    with remote.required(arguments) as there:
        _agreed(arguments, "The gateway's policy for all sandboxes will be removed.")
        there.call("UpdateConfig", **{"global": True}, delete_setting=True, setting_key="policy")
    output.line("removed the gateway's policy")
    return 0


def _agreed(arguments: argparse.Namespace, what: str) -> None:
    """Ask, where somebody is there to be asked. Raises UsageError without a yes."""
    if arguments.yes:
        return
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError("nobody is there to be asked", hint="--yes says yes")
    answer = input(f"{what} Go on? [y/N] ")
    if answer.strip().lower() not in ("y", "yes"):
        raise OpenShellError("left as it is", code="refused")


VERBS = {"list": list_, "set": set_, "update": update, "delete": delete}
