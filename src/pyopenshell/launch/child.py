"""Init's part of a launch: the numbered steps of docs/design.md, section 6, from the fifth on, in that order.

Nothing here imports anything while it runs: after the uid changes, the interpreter's own files may be out of reach.
"""

from __future__ import annotations

import _socket
import os

from pyopenshell.kernel import process, seccomp
from pyopenshell.kernel.signals import SIGKILL
from pyopenshell.landlock import ruleset
from pyopenshell.launch import arrange, init, sessions, wire
from pyopenshell.launch.become import become
from pyopenshell.launch.steps import CONTROL, StepFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

    from pyopenshell.launch.brokering import Channel
    from pyopenshell.launch.steps import Steps

    View = arrange.View | arrange.Apart


def run(
    plan: dict[str, Any], steps: Steps, to_broker: Channel | None, seen: Callable[[], None] | None = None
) -> NoReturn:
    """Make this process the first one of the sandbox, and serve as that. ``to_broker``: where there is one.

    ``seen`` waits, before the identity is changed, until the supervisor has looked at this process's namespaces.
    """
    steps.done.append({"n": 4, "name": "fork init", "result": "done", "errno": 0})
    view = arrange.Apart(plan, steps) if "arranging" in plan else arrange.View(plan, steps)  # 5 to 8
    if seen:
        seen()
    reach = _drop(plan, steps, view)
    rules, hushed, tried = _enclose(plan, steps, view, to_broker)
    with steps.run("receipt"):  # 15
        receipt = {
            **view.told(reach, rules, hushed),
            "steps": steps.done,
            "canary": tried,
            "seccomp": {"sha256": plan["filter_sha256"], "mode": "filter"},
        }
        wire.send_value(CONTROL, wire.RECEIPT, receipt)
    steps.current = "go"  # 16
    control = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM, 0, CONTROL)
    if not init.wait_for_go(control):
        os._exit(125)
    steps.current = "exec"  # 17
    if plan["workload"]["argv"]:
        init.serve(plan, control)
    sessions.serve(plan, control)


def _drop(plan: dict[str, Any], steps: Steps, view: View) -> list[dict[str, Any]]:
    """Become the identity for good, and say what file modes allow it."""
    with steps.run("identity"):  # 9: limits, groups, uid, capabilities
        become(plan)
        if plan["namespaces"]["pid"]:
            # Changing credentials cleared it. Without a pid namespace init must live on to end the others: it sees
            # the control socket close.
            process.set_parent_death_signal(SIGKILL)
        reach = view.reach()
    with steps.run("working directory"):  # 10
        os.chdir(plan["workload"]["workdir"])
    return reach


def _enclose(
    plan: dict[str, Any], steps: Steps, view: View, to_broker: Channel | None
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], dict[str, Any]]:
    """Enter the Landlock domain and the filter, and try that they hold."""
    canary = _canary_choice(plan)
    with steps.run("no_new_privs"):  # 11
        process.set_no_new_privs()
    rules: list[dict[str, Any]] = []
    hushed: list[dict[str, Any]] = []
    with steps.run("landlock", "enforced" if plan["confined"] else "UNCONFINED: the caller asked for it"):  # 12
        if plan["confined"]:
            ruleset_fd, rules, hushed = view.rules()
            ruleset.enforce(ruleset_fd, plan["log"])
        view.close()
    with steps.run("seccomp", "the broker answers" if to_broker else "done"):  # 13
        if to_broker:
            to_broker.install(plan["filter"])
            to_broker.close()
        else:
            seccomp.install(plan["filter"])
    with steps.run("canary", "denied" if plan["confined"] else "not tried"):  # 14
        return rules, hushed, _canary(*canary) if plan["confined"] else {"path": canary[1], "errno": 0}


def _canary_choice(plan: dict[str, Any]) -> tuple[str, str]:
    """List ``/`` where file modes allow that, else write to the file made for the purpose."""
    operation, path = plan["canary"]
    if operation == "list" and process.access_errno(process.AT_FDCWD, path, os.R_OK, process.AT_EACCESS):
        return "write", plan["private"]["canary"]
    return operation, path


def _canary(operation: str, path: str) -> dict[str, Any]:
    """Try what no grant allows. Anything but EACCES means the sandbox is not what the report says."""
    try:
        flags = os.O_RDONLY | os.O_DIRECTORY if operation == "list" else os.O_WRONLY
        os.close(os.open(path, flags | os.O_CLOEXEC))
    except OSError as error:
        if error.errno == 13:  # EACCES
            return {"path": path, "errno": 13}
        raise StepFailed(
            error.errno or 0, f"canary: {operation} {path}: expected EACCES, got {error.strerror}"
        ) from None
    raise StepFailed(0, f"canary: {operation} {path} was allowed; the sandbox does not hold")
