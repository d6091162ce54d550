"""The child's side of a launch: the numbered steps of docs/design.md, section 6, in that order.

``stem`` is the first process. It leaves the caller's session, makes the namespaces, forks init and waits: it stays
outside the sandbox as the ancestor of everything in it. ``init`` does the rest and becomes the sandbox's first
process. Nothing here imports anything while it runs: after the uid changes, the interpreter's own files may be out
of reach.
"""

from __future__ import annotations

import fcntl
import marshal
import os
import resource
import stat

from pyopenshell.kernel import namespaces as ns
from pyopenshell.kernel import process, seccomp
from pyopenshell.kernel.signals import SIGKILL
from pyopenshell.landlock import ruleset
from pyopenshell.launch import init, mounts, prepare, private, reap, streams, terminal, wire
from pyopenshell.launch.plan import STEPS, unshare_flags
from pyopenshell.launch.trial import map_identity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, NoReturn

    Opened = tuple[str, str, int, int, int]
    """What a rule is about: grant id, path, descriptor (-1 without one), Landlock mask, errno of opening it."""

CONTROL = 3
PLAN = 4


class StepFailed(Exception):
    """A step did not do what it must. Carried to the supervisor as a frame, never further."""

    def __init__(self, errno: int, message: str) -> None:
        """Keep the kernel's error number (0 if it was not the kernel) and a sentence."""
        super().__init__(message)
        self.errno = errno
        self.message = message


class Steps:
    """The steps done so far, for the receipt, and the current one, for a failure's report."""

    def __init__(self) -> None:
        """Start before the first step."""
        self.done: list[dict[str, Any]] = []
        self.current = STEPS[0]

    def run(self, name: str, result: str = "done") -> Step:
        """Enter a step; leaving the ``with`` block records it."""
        self.current = name
        return Step(self, name, result)


class Step:
    """One step under way."""

    def __init__(self, steps: Steps, name: str, result: str) -> None:
        """Remember where to record."""
        self.steps = steps
        self.name = name
        self.result = result

    def __enter__(self) -> Step:
        """Begin."""
        return self

    def __exit__(self, kind: object, _error: object, _trace: object) -> None:
        """Record the step unless it failed."""
        if kind is None:
            n = STEPS.index(self.name) + 1
            self.steps.done.append({"n": n, "name": self.name, "result": self.result, "errno": 0})


def stem(plan_fd: int, control_fd: int) -> NoReturn:
    """Run the whole child. Never returns: every way out is ``os._exit``."""
    steps = Steps()
    code = 125
    try:
        code = _stem(plan_fd, control_fd, steps)
    except StepFailed as error:
        _report(steps.current, error.errno, error.message)
    except OSError as error:
        call = error.filename if isinstance(error.filename, str) else None
        text = error.strerror or str(error)
        _report(steps.current, error.errno or 0, f"{call}: {text}" if call else text)
    except BaseException as error:
        _report(steps.current, 0, f"{type(error).__name__}: {error}")
    finally:
        os._exit(code)


def _report(step: str, errno: int, message: str) -> None:
    try:
        wire.send_value(CONTROL, wire.FAILURE, {"step": step, "errno": errno, "message": message})
    except OSError:
        os._exit(125)


def _stem(plan_fd: int, control_fd: int, steps: Steps) -> int:
    with steps.run("descriptors"):  # 1: only 0-2, the control socket and the plan survive
        _place(control_fd, plan_fd)
        process.close_fds((0, 1, 2, CONTROL, PLAN))
        with open(PLAN, "rb") as file:
            plan: dict[str, Any] = marshal.loads(file.read())  # noqa: S302 - written by our own supervisor
        streams.fill()
    with steps.run("session"):  # 2: away from the caller's terminal; our end must not outlive the supervisor
        os.setsid()
        process.set_parent_death_signal(reap.ALONE)
        process.set_child_subreaper()
    with steps.run("namespaces"):  # 3
        if plan["change_identity"]:
            # A file the runtime makes must not be more open than it says because of the caller's umask.
            os.umask(0o022)
        uid, gid = os.geteuid(), os.getegid()
        flags = unshare_flags(plan["namespaces"])
        if flags:
            ns.unshare(flags)
        if plan["namespaces"]["user"]:
            map_identity(uid, gid)
        if plan["namespaces"]["net"]:
            ns.bring_up_loopback()
    with steps.run("fork init"):  # 4: pid 1 of the new pid namespace, where there is one
        ready_read, ready_write = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(ready_write)
            os.read(ready_read, 1)
            os.close(ready_read)
            _init(plan, steps)
        os.close(ready_read)
        wire.send_number(CONTROL, wire.INIT_PID, pid)
        os.close(CONTROL)
        os.write(ready_write, b"!")
        os.close(ready_write)
    return reap.wait_and_sweep(pid)


def _place(control_fd: int, plan_fd: int) -> None:
    """Put both descriptors where they belong. They may have each other's number, so copies are made first, above."""
    control, plan = (fcntl.fcntl(fd, fcntl.F_DUPFD, PLAN + 1) for fd in (control_fd, plan_fd))
    os.dup2(control, CONTROL, inheritable=False)
    os.dup2(plan, PLAN, inheritable=False)


def _init(plan: dict[str, Any], steps: Steps) -> NoReturn:
    steps.done.append({"n": 4, "name": "fork init", "result": "done", "errno": 0})
    opened, created = _arrange(plan, steps)
    reach = _drop(plan, steps, opened)
    rules, tried = _enclose(plan, steps, opened)
    with steps.run("receipt"):  # 15
        receipt = {
            "steps": steps.done,
            "rules": rules,
            "reach": reach,
            "created": created,
            "canary": tried,
            "seccomp": {"sha256": plan["filter_sha256"], "mode": "filter"},
        }
        wire.send_value(CONTROL, wire.RECEIPT, receipt)
    steps.current = "go"  # 16
    frame = wire.receive(CONTROL)
    if frame is None or frame[0] != wire.GO:
        os._exit(125)
    steps.current = "exec"  # 17
    process.set_dumpable(False)  # the workload has init's uid: it must not read init's memory or take its descriptors
    init.serve(plan, CONTROL)


def _arrange(plan: dict[str, Any], steps: Steps) -> tuple[list[Opened], list[str]]:
    """Make the sandbox's view of the host and open what its rules are about, with privileges."""
    with steps.run("preparation"):  # 5
        made, created = _prepare(plan)
    with steps.run("mounts", "done" if plan["namespaces"]["mount"] else "no mount namespace"):  # 6
        if plan["namespaces"]["mount"]:
            mounts.apply(plan)
        if not plan["private"]["host"]:
            os.close(private.make(private.Private(**plan["private"]), plan["uid"], plan["gid"]))
    with steps.run("terminal", "own terminal" if plan["terminal"] else "none"):  # 7
        if plan["terminal"]:
            os.setsid()
            terminal.open_inside(CONTROL, plan["uid"], plan["gid"])
    with steps.run("path descriptors"):  # 8: after the mounts, before privileges are dropped
        return list(_open_paths(plan, made)), created


def _drop(plan: dict[str, Any], steps: Steps, opened: list[Opened]) -> list[dict[str, Any]]:
    """Become the identity for good, and say what file modes allow it."""
    with steps.run("identity"):  # 9: limits, groups, uid, capabilities
        _become(plan)
        if plan["namespaces"]["pid"]:
            # Changing credentials cleared it. Without a pid namespace init must live on to end the others: it sees
            # the control socket close.
            process.set_parent_death_signal(SIGKILL)
        reach = [{"grant": grant, **_reach(path, fd)} for grant, path, fd, _mask, _errno in opened if fd >= 0]
    with steps.run("working directory"):  # 10
        os.chdir(plan["workload"]["workdir"])
    return reach


def _enclose(plan: dict[str, Any], steps: Steps, opened: list[Opened]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Enter the Landlock domain and the filter, and try that they hold."""
    canary = _canary_choice(plan)
    with steps.run("no_new_privs"):  # 11
        process.set_no_new_privs()
    rules: list[dict[str, Any]] = []
    with steps.run("landlock", "enforced" if plan["confined"] else "UNCONFINED: the caller asked for it"):  # 12
        if plan["confined"]:
            rules = _confine(plan, opened)
        for _grant, _path, fd, _mask, _errno in opened:
            if fd >= 0:
                os.close(fd)
    with steps.run("seccomp"):  # 13
        seccomp.install(plan["filter"])
    with steps.run("canary", "denied" if plan["confined"] else "not tried"):  # 14
        return rules, _canary(*canary) if plan["confined"] else {"path": canary[1], "errno": 0}


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


def _open_paths(plan: dict[str, Any], made: dict[str, int]) -> Iterator[Opened]:
    """Open what each rule is about. A path that cannot be opened is recorded; the others are not touched by it."""
    for grant, path, follow, mask in plan["rules"]:
        fd, errno = made.get(grant, -1), 0
        if fd < 0:
            try:
                # /proc/self is followed, /proc/self/root and its like never: they lead anywhere.
                resolve = process.RESOLVE_NO_MAGICLINKS if follow else process.RESOLVE_NO_SYMLINKS
                fd = process.openat2(process.AT_FDCWD, path, os.O_PATH | os.O_CLOEXEC, 0, resolve)
            except OSError as error:
                errno = error.errno or 0
        yield grant, path, fd, mask, errno


def _become(plan: dict[str, Any]) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    if plan["change_identity"]:
        for fd in (0, 1, 2):
            # Root's pipes are root's alone (0600): a program could use them, but not open /dev/stderr.
            if stat.S_ISFIFO(os.fstat(fd).st_mode) and os.fstat(fd).st_uid == os.geteuid():
                os.fchown(fd, plan["uid"], plan["gid"])
        if process.has_capability(process.CAP_SETPCAP):
            process.drop_bounding_set()  # afterwards the capability to do so is gone
        process.set_ids(plan["uid"], plan["gid"], plan["groups"])
    process.drop_capabilities()
    os.umask(0o022)


def _reach(path: str, fd: int) -> dict[str, Any]:
    """Ask, as the identity, what file modes allow: the errno of finding, reading, writing and executing the path."""
    modes = {"find": os.F_OK, "read": os.R_OK, "write": os.W_OK, "execute": os.X_OK}
    answers: dict[str, Any] = {"folder": stat.S_ISDIR(os.fstat(fd).st_mode)}
    for name, mode in modes.items():
        answers[name] = process.access_errno(process.AT_FDCWD, path, mode, process.AT_EACCESS)
    return answers


def _confine(plan: dict[str, Any], opened: list[Opened]) -> list[dict[str, Any]]:
    fs, net, scoped = plan["handled"]
    usable = [(grant, fd, mask) for grant, _path, fd, mask, _errno in opened if fd >= 0]
    ruleset_fd, outcomes = ruleset.build(fs, net, scoped, usable)
    ruleset.enforce(ruleset_fd)
    missing: list[dict[str, Any]] = [
        {"grant": grant, "dev": None, "ino": None, "requested": [], "actual": [], "errno": errno}
        for grant, _path, fd, _mask, errno in opened
        if fd < 0
    ]
    return [*outcomes, *missing]


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
