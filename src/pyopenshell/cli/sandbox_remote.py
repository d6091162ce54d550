"""``openshell sandbox`` through a gateway: what there is, and what ends, starts and removes it."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from pyopenshell.cli import forwards, output, remote, sandbox_view
from pyopenshell.errors import OpenShellError, UsageError

if TYPE_CHECKING:
    import argparse
    from typing import Any

    from pyopenshell.cli.remote import Remote

PAGE = 200
"""Sandboxes asked for at once."""
FOREVER = 0.5
"""Seconds between two looks at a sandbox that takes its time."""


def every(there: Remote, selector: str | None = None, most: int | None = None) -> list[Any]:
    """Return the sandboxes of the workspace, the newest first, no more than ``most``."""
    found: list[Any] = []
    token = ""
    while most is None or len(found) < most:
        page = there.call("ListSandboxes", page_size=PAGE, page_token=token, label_selector=selector or "")
        found += page.sandboxes
        token = page.next_page_token
        if not token:
            break
    return sorted(found, key=lambda one: (one.metadata.created_time.seconds, one.metadata.id), reverse=True)


def list_(there: Remote, arguments: argparse.Namespace) -> int:
    """Print one row for each sandbox."""
    chosen = every(there, arguments.selector)[arguments.offset :][: arguments.limit]
    rows = [sandbox_view.summary(one) for one in chosen]
    if arguments.ids or arguments.names:
        for row in rows:
            output.line(row["id"] if arguments.ids else row["name"])
    elif arguments.output != "table":
        output.document(rows, arguments.output)
    elif rows:
        output.table(sandbox_view.COLUMNS, [sandbox_view.row(row) for row in rows])
    elif arguments.selector or arguments.offset:
        output.line("no sandboxes fit")
    elif arguments.limit != 0:
        output.line("no sandboxes yet: openshell sandbox create makes one")
    return 0


def get(there: Remote, arguments: argparse.Namespace) -> int:
    """Print a sandbox in short, or only its policy."""
    if arguments.policy_only:
        write(there.report("GetEffectivePolicy", arguments.name).declared_yaml)
        return 0
    show(there.call("GetSandbox", name=arguments.name).sandbox, arguments.output)
    return 0


def show(sandbox: Any, form: str) -> None:
    """Print a sandbox in short."""
    shape = sandbox_view.summary(sandbox)
    if form != "table":
        output.document(shape, form)
        return
    from pyopenshell.cli.effective_view import fields

    fields(*sandbox_view.lines(shape))


def write(text: str) -> None:
    """Print a stored text byte for byte."""
    import sys

    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode())
    sys.stdout.buffer.flush()


def inspect(there: Remote, arguments: argparse.Namespace) -> int:
    """Print all that is known about a sandbox, as the local form does."""
    told = json.loads(there.report("GetInspection", arguments.name).inspection_json)
    shape = {key: told[key] for key in ("sandbox", "meta", "effective", "receipt", "exit")}
    if arguments.output != "table":
        output.document(shape, arguments.output)
        return 0
    from pyopenshell.cli import inspect_view

    inspect_view.show(shape, _place(there, shape["sandbox"]["id"]))
    return 0


def _place(there: Remote, run_id: str) -> str:
    """Return where the record of a run is, as far as that can be said from here."""
    from pyopenshell.state import state_root

    return f"{state_root()}/runs/{run_id}" if remote.is_own(there.gateway) else f"with {there.title}"


def verify(there: Remote, arguments: argparse.Namespace) -> int:
    """Try inside a sandbox that runs what its report says. 1: they differ; 4: it could not be told.

    This machine's own sandboxes are tried from here.
    """
    if remote.is_own(there.gateway):
        from pyopenshell.cli import sandbox

        return sandbox.verify(arguments)
    shape = json.loads(there.report("Verify", arguments.name, remote.LAUNCH_PATIENCE).verification_json)
    if arguments.output != "table":
        output.document(shape, arguments.output)
    else:
        from pyopenshell.cli import verify_view

        verify_view.show_shape(shape)
    return {"as reported": 0, "drift": 1}.get(shape["verdict"], 4)


def stop(arguments: argparse.Namespace) -> int:
    """End a sandbox's programs; its policy, its folder and its name stay."""
    return _change(arguments, "StopSandbox", ("Stopping",), "stopped")


def start(arguments: argparse.Namespace) -> int:
    """Start a sandbox that was stopped, or lost its processes."""
    return _change(arguments, "StartSandbox", ("Starting", "Provisioning"), "started")


def _change(arguments: argparse.Namespace, method: str, passing: tuple[str, ...], done: str) -> int:
    name = remote.sandbox(arguments.name)
    with remote.required(arguments) as there:
        sandbox = there.call(method, remote.LAUNCH_PATIENCE, name=name).sandbox
        settled(there, sandbox, passing)
    output.line(f"{done} {name}")
    return 0


def settled(there: Remote, sandbox: Any, passing: tuple[str, ...]) -> Any:
    """Return a sandbox once it is in none of the ``passing`` phases. Raises OpenShellError where it failed."""
    wait, end = 0.02, time.monotonic() + remote.LAUNCH_PATIENCE
    while sandbox_view.phase(sandbox) in (*passing, "Unspecified"):
        if time.monotonic() > end:
            raise OpenShellError(
                f"sandbox {sandbox.metadata.name} is still {sandbox_view.phase(sandbox).lower()}",
                hint="openshell logs tells what it does",
                code="sandbox.slow",
            )
        time.sleep(wait)
        wait = min(wait * 1.5, FOREVER)
        sandbox = there.call("GetSandbox", name=sandbox.metadata.name).sandbox
    if sandbox_view.phase(sandbox) == "Error":
        raise OpenShellError(
            f"sandbox {sandbox.metadata.name}: {sandbox_view.message(sandbox) or 'it failed'}",
            hint=f"openshell sandbox inspect {sandbox.metadata.name} shows how far it came; it is kept until deleted",
            code="sandbox.failed",
        )
    return sandbox


def delete(there: Remote, arguments: argparse.Namespace) -> tuple[list[str], list[OpenShellError]]:
    """Delete sandboxes and say so; return the names that the gateway does not know, and what went wrong."""
    names = [one.metadata.name for one in every(there) if is_kept(one)] if arguments.all else arguments.names
    unknown, failures = [], []
    for name in names:
        try:
            gone(there, name)
        except OpenShellError as problem:
            if problem.code == "sandbox.unknown" or isinstance(problem, UsageError):
                unknown.append(name)
            else:
                failures.append(problem)
        else:
            output.line(f"deleted {name}")
    return unknown, failures


def is_kept(sandbox: Any) -> bool:
    """Return whether the gateway keeps a sandbox: runs of ``openshell run`` are only shown by it."""
    return bool(sandbox.metadata.annotations.get("pyopenshell/origin") != "run")


def gone(there: Remote, name: str) -> None:
    """Delete a sandbox, wait until it is gone, and forget its use and its ports here. Raises OpenShellError."""
    there.call("DeleteSandbox", remote.LAUNCH_PATIENCE, name=name)
    remote.remember(name, there=False)
    of = {"sandbox": name, "workspace": there.workspace, "gateway": there.gateway.name or str(there.gateway.endpoint)}
    forwards.end_those(of)
    wait, end = 0.02, time.monotonic() + remote.LAUNCH_PATIENCE
    while time.monotonic() < end:
        try:
            there.call("GetSandbox", name=name)
        except OpenShellError as problem:
            if problem.code == "sandbox.unknown":
                return
            raise
        time.sleep(wait)
        wait = min(wait * 1.5, FOREVER)
    raise OpenShellError(f"sandbox {name} is still being deleted", code="sandbox.slow")


VERBS = {"stop": stop, "start": start}
