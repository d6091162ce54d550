"""Init's part of a launch: the numbered steps of docs/design.md, section 6, from the fifth on, in that order.

Nothing here imports anything while it runs: after the uid changes, the interpreter's own files may be out of reach.
"""

from __future__ import annotations

import _socket
import os
import stat
from errno import EMFILE, ENFILE, ENOSYS

from pyopenshell.kernel import process, seccomp
from pyopenshell.kernel.signals import SIGKILL
from pyopenshell.landlock import ruleset
from pyopenshell.launch import init, mounts, prepare, private, sessions, terminal, wire
from pyopenshell.launch.become import become
from pyopenshell.launch.steps import CONTROL, StepFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, NoReturn

    from pyopenshell.launch.brokering import Channel
    from pyopenshell.launch.steps import Steps

    Opened = tuple[str, str, int, int, int]
    """What a rule is about: grant id, path, descriptor (-1 without one), Landlock mask, errno of opening it."""
    Quiet = tuple[str, int, int]
    """A path whose denials are not logged: path, descriptor (-1 without one), errno of opening it."""


NO_PATH_OPENS = (ENOSYS, EMFILE, ENFILE)
"""Answers to openat2(2) that any path would get: nothing is missing, and a sandbox without its grants is of no use."""


def run(
    plan: dict[str, Any], steps: Steps, to_broker: Channel | None, seen: Callable[[], None] | None = None
) -> NoReturn:
    """Make this process the first one of the sandbox, and serve as that. ``to_broker``: where there is one.

    ``seen`` waits, before the identity is changed, until the supervisor has looked at this process's namespaces.
    """
    steps.done.append({"n": 4, "name": "fork init", "result": "done", "errno": 0})
    opened, quiet, created, unbound = _arrange(plan, steps)
    if seen:
        seen()
    reach = _drop(plan, steps, opened)
    rules, hushed, tried = _enclose(plan, steps, opened, quiet, to_broker)
    with steps.run("receipt"):  # 15
        receipt = {
            "steps": steps.done,
            "rules": rules,
            "reach": reach,
            "created": created,
            "unbound": unbound,
            "landlock": {"log": list(plan["log"]) if plan["confined"] else [], "quiet": hushed},
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


def _arrange(plan: dict[str, Any], steps: Steps) -> tuple[list[Opened], list[Quiet], list[str], dict[str, int]]:
    """Make the sandbox's view of the host and open what its rules are about, with privileges."""
    with steps.run("preparation"):  # 5
        made, created = _prepare(plan)
    unbound: dict[str, int] = {}
    with steps.run("mounts", "done" if plan["namespaces"]["mount"] else "no mount namespace"):  # 6
        if plan["namespaces"]["mount"]:
            unbound = mounts.apply(plan)
        if not plan["private"]["host"]:
            os.close(private.make(private.Private(**plan["private"]), plan["uid"], plan["gid"]))
    with steps.run("terminal", "own terminal" if plan["terminal"] else "none"):  # 7
        if plan["terminal"]:
            os.setsid()
            terminal.open_inside(CONTROL, plan["uid"], plan["gid"])
    with steps.run("path descriptors"):  # 8: after the mounts, before privileges are dropped
        opened = list(_open_paths(plan, made, unbound))
        return opened, [(path, *_open(path, follow=False)) for path in plan["quiet"]], created, unbound


def _drop(plan: dict[str, Any], steps: Steps, opened: list[Opened]) -> list[dict[str, Any]]:
    """Become the identity for good, and say what file modes allow it."""
    with steps.run("identity"):  # 9: limits, groups, uid, capabilities
        become(plan)
        if plan["namespaces"]["pid"]:
            # Changing credentials cleared it. Without a pid namespace init must live on to end the others: it sees
            # the control socket close.
            process.set_parent_death_signal(SIGKILL)
        reach = [{"grant": grant, **_reach(path, fd)} for grant, path, fd, _mask, _errno in opened if fd >= 0]
    with steps.run("working directory"):  # 10
        os.chdir(plan["workload"]["workdir"])
    return reach


def _enclose(
    plan: dict[str, Any], steps: Steps, opened: list[Opened], quiet: list[Quiet], to_broker: Channel | None
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], dict[str, Any]]:
    """Enter the Landlock domain and the filter, and try that they hold."""
    canary = _canary_choice(plan)
    with steps.run("no_new_privs"):  # 11
        process.set_no_new_privs()
    rules: list[dict[str, Any]] = []
    hushed: list[dict[str, Any]] = []
    with steps.run("landlock", "enforced" if plan["confined"] else "UNCONFINED: the caller asked for it"):  # 12
        if plan["confined"]:
            rules, hushed = _confine(plan, opened, quiet)
        for fd in (*(entry[2] for entry in opened), *(entry[1] for entry in quiet)):
            if fd >= 0:
                os.close(fd)
    with steps.run("seccomp", "the broker answers" if to_broker else "done"):  # 13
        if to_broker:
            to_broker.install(plan["filter"])
            to_broker.close()
        else:
            seccomp.install(plan["filter"])
    with steps.run("canary", "denied" if plan["confined"] else "not tried"):  # 14
        return rules, hushed, _canary(*canary) if plan["confined"] else {"path": canary[1], "errno": 0}


def _prepare(plan: dict[str, Any]) -> tuple[dict[str, int], list[str]]:
    made: dict[str, int] = {}
    created: list[str] = []
    for grant, path in plan["create"]:
        try:
            fd, is_new = prepare.make_folder(path, plan["uid"], plan["gid"])
        except OSError:
            continue  # then it is missing like any other path: opening it says why
        made[grant] = fd
        if is_new:
            created.append(grant)
    return made, created


def _open_paths(plan: dict[str, Any], made: dict[str, int], unbound: dict[str, int]) -> Iterator[Opened]:
    """Open what each rule is about. A path that cannot be opened is recorded; the others are not touched by it.

    Nor is one opened where something of the host was to be shown and is not: what is there instead was not asked for.
    """
    for grant, path, follow, mask in plan["rules"]:
        fd, errno = made.get(grant, -1), unbound.get(grant, 0)
        if fd < 0 and not errno:
            fd, errno = _open(path, follow=follow)
        yield grant, path, fd, mask, errno


def _open(path: str, *, follow: bool) -> tuple[int, int]:
    """Return the descriptor of a path and 0, or -1 and the errno. Raises what is not about this path (OSError)."""
    # /proc/self is followed, /proc/self/root and its like never: they lead anywhere.
    resolve = process.RESOLVE_NO_MAGICLINKS if follow else process.RESOLVE_NO_SYMLINKS
    try:
        return process.openat2(process.AT_FDCWD, path, os.O_PATH | os.O_CLOEXEC, 0, resolve), 0
    except OSError as error:
        if error.errno in NO_PATH_OPENS:
            raise
        return -1, error.errno or 0


def _reach(path: str, fd: int) -> dict[str, Any]:
    """Ask, as the identity, what file modes allow: the errno of finding, reading, writing and executing the path."""
    modes = {"find": os.F_OK, "read": os.R_OK, "write": os.W_OK, "execute": os.X_OK}
    answers: dict[str, Any] = {"folder": stat.S_ISDIR(os.fstat(fd).st_mode)}
    for name, mode in modes.items():
        # Real and effective ids are the same by now. access(2) by way of ``os`` is quick and does not tell the errno.
        refused = not os.access(path, mode)
        answers[name] = process.access_errno(process.AT_FDCWD, path, mode, process.AT_EACCESS) if refused else 0
    return answers


def _confine(
    plan: dict[str, Any], opened: list[Opened], quiet: list[Quiet]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    fs, net, scoped = plan["handled"]
    usable = [(grant, fd, mask) for grant, _path, fd, mask, _errno in opened if fd >= 0]
    ruleset_fd, outcomes = ruleset.build(fs, net, scoped, usable, with_quiet=bool(quiet))
    hushed = [
        ruleset.hush(ruleset_fd, path, fd) if fd >= 0 else {"path": path, "dev": None, "ino": None, "errno": errno}
        for path, fd, errno in quiet
    ]
    ruleset.enforce(ruleset_fd, plan["log"])
    missing: list[dict[str, Any]] = [
        {"grant": grant, "dev": None, "ino": None, "requested": [], "actual": [], "errno": errno}
        for grant, _path, fd, _mask, errno in opened
        if fd < 0
    ]
    return [*outcomes, *missing], hushed


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
