"""``openshell doctor``: would a sandbox work on this host? Everything is tried, nothing is guessed from settings."""

from __future__ import annotations

import errno
import os
import stat
import sys
from typing import TYPE_CHECKING

from pyopenshell.cli import output
from pyopenshell.errors import StateError
from pyopenshell.record import Record

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from pyopenshell.devices.host import Host

NOBODY = 65534
"""The overflow uid (user_namespaces(7)): nobody's."""
OK, WARN, FAIL = "ok", "warn", "fail"

WITHOUT = {
    "mount": "the host's /tmp, /run and sockets stay visible; Landlock denies what it can",
    "pid": "the host's processes stay visible in /proc",
    "net": "the syscall filter allows no network sockets instead; there is no loopback either",
    "ipc": "System V objects of the same user stay reachable",
}
"""What follows where a namespace cannot be made. None of it stops a sandbox."""


class Check(Record):
    """One row: what was looked at, ``ok``, ``warn`` or ``fail``, what was seen, and what to do about it."""

    name: str
    status: str
    evidence: str
    hint: str | None = None


def doctor(arguments: argparse.Namespace) -> int:
    """Print every check. Returns 0 where a sandbox would work, else 1."""
    from pyopenshell.launch import facts

    checks = [*_kernel(facts.host()), *_process()]
    works = all(check.status != FAIL for check in checks)
    if arguments.output != "table":
        output.document({"works": works, "checks": [check.as_dict() for check in checks]}, arguments.output)
        return 0 if works else 1
    output.table(("check", "status", "seen"), [(check.name, check.status, check.evidence) for check in checks])
    output.line()
    for check in checks:
        if check.hint and check.status != OK:
            output.paragraph(f"{check.name}: {check.hint}", mark=check.status)
    output.line("A sandbox works here." if works else "No sandbox works here: see what failed above.")
    return 0 if works else 1


def _kernel(host: Host) -> Iterator[Check]:
    """Check what the kernel and the hardware offer."""
    from pyopenshell.kernel import numbers

    known = host.architecture in numbers.ROWS
    yield Check("kernel", OK, f"Linux {host.release}")
    yield Check("architecture", OK if known else FAIL, host.architecture, f"supported are {', '.join(numbers.ROWS)}")
    yield _landlock(host)
    if host.landlock_abi:
        yield _enforcement(host.landlock_abi)
    seen = "filters can be installed" if host.seccomp else "seccomp(2) is refused"
    yield Check("seccomp", OK if host.seccomp else FAIL, seen, "use a kernel with CONFIG_SECCOMP_FILTER=y")
    yield from _namespaces(host)
    yield _broker(host)
    nodes = ", ".join(device.path for device in host.devices)
    yield Check("gpu", OK, nodes or "no device nodes: --gpu would fail, --gpu 0 works")


def _landlock(host: Host) -> Check:
    if not host.landlock_abi:
        from pyopenshell.launch.hints import no_landlock

        return Check("landlock", FAIL, *no_landlock(host.landlock_errno))
    from pyopenshell.kernel import landlock
    from pyopenshell.landlock.abi import RIGHTS

    missing = [f"{right.name} (ABI {right.abi})" for right in RIGHTS if right.abi > host.landlock_abi]
    seen = f"ABI {host.landlock_abi}, errata {landlock.errata():#b}"
    seen += f"; lacks {', '.join(missing)}" if missing else ""
    old = host.landlock_abi < 3
    return Check("landlock", WARN if old else OK, seen, "a kernel from 6.2 on restricts truncation by Landlock itself")


def _enforcement(abi: int) -> Check:
    """Confine a throwaway child without any grant and let it list ``/``."""
    from pyopenshell.kernel import process
    from pyopenshell.landlock import downgrade, ruleset

    handled = downgrade.handled(abi, tcp=False)
    child = os.fork()
    if child == 0:
        code = 255
        try:
            process.set_no_new_privs()
            fd, _ = ruleset.build(downgrade.mask(handled.fs), 0, downgrade.mask(handled.scoped), ())
            ruleset.enforce(fd)
            os.listdir("/")
            code = 0
        except OSError as problem:
            code = problem.errno or 255
        finally:
            os._exit(code)
    answer = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    seen = f"a confined process that lists / gets {errno.errorcode.get(answer, 'no error' if answer == 0 else answer)}"
    return Check(
        "enforcement", OK if answer == errno.EACCES else FAIL, seen, "it should get EACCES: please report this"
    )


def _namespaces(host: Host) -> Iterator[Check]:
    made = host.namespaces
    where = "made, inside a user namespace" if made.user else "made"
    for kind, consequence in WITHOUT.items():
        if getattr(made, kind):
            yield Check(f"{kind} namespace", OK, where)
        else:
            yield Check(
                f"{kind} namespace", WARN, made.reason or "cannot be made", f"a sandbox works without: {consequence}"
            )


def _broker(host: Host) -> Check:
    """Try the broker of CUDA's thread names with a throwaway child, as an ordinary user."""
    from pyopenshell.effective.model import Identity
    from pyopenshell.launch.broker_trial import BrokerTrial

    hint = "a GPU sandbox works without, and then writes /proc more widely: a High finding says how far"
    if not host.seccomp:
        return Check("broker", WARN, "needs seccomp", hint)
    own = Identity(os.geteuid(), os.getegid(), tuple(os.getgroups()), "caller")
    trial = BrokerTrial(own if own.uid else Identity(NOBODY, NOBODY, (), "anyone but root"))
    try:
        found = trial.result()
    finally:
        trial.close()
    seen = {"available": "a child just named its thread through it", "outer": "that of a sandbox around this process"}
    return Check("broker", OK if found.state in seen else WARN, seen.get(found.state, found.reason), hint)


def _process() -> Iterator[Check]:
    """Check what this process and its surroundings offer."""
    yield _identity()
    yield _state()
    yield _interpreter()
    terminal = os.isatty(0)
    yield Check("terminal", OK, "standard input is a terminal" if terminal else "standard input is not a terminal")


def _identity() -> Check:
    """As root the sandbox gets another uid, which takes CAP_SETUID and CAP_SETGID (capabilities(7))."""
    if os.geteuid() != 0:
        return Check("identity", OK, f"sandboxes run as you, uid {os.geteuid()}")
    from pyopenshell.kernel import process

    missing = [name for name, number in (("CAP_SETGID", 6), ("CAP_SETUID", 7)) if not process.has_capability(number)]
    if missing:
        hint = "give the container these capabilities, or start openshell as an ordinary user"
        return Check("identity", FAIL, f"root without {' and '.join(missing)}", hint)
    return Check("identity", OK, "root: sandboxes run as an unprivileged user")


def _state() -> Check:
    """Write a file where run records go, and remove it."""
    from pyopenshell import state

    root = state.state_root()
    try:
        folder = state.open_folder(root)
        try:
            state.write_whole(folder, ".doctor", b"a record is larger than this" * 1000)
            os.unlink(".doctor", dir_fd=folder)
        finally:
            os.close(folder)
    except OSError as error:
        refusal = state.unusable(root, error)
        return Check("state folder", FAIL, refusal.message, refusal.hint)
    except StateError as refusal:
        return Check("state folder", FAIL, refusal.message, refusal.hint)
    return Check("state folder", OK, root)


def _interpreter() -> Check:
    """As root, look whether a folder above the interpreter keeps other users out."""
    path = os.path.realpath(sys.executable)
    if os.geteuid() == 0:
        for part in (path, sys.prefix):
            closed = _closed_to_others(part)
            if closed:
                return Check(
                    "interpreter",
                    WARN,
                    f"{closed} keeps the sandbox's user from {part}",
                    "programs of this Python environment cannot run in a sandbox that root starts: "
                    "make the environment in a folder that others may enter, /opt for one",
                )
    return Check("interpreter", OK, path)


def _closed_to_others(path: str) -> str | None:
    """Return the first folder on the way, or the path itself, that others may not enter or execute."""
    parts = path.strip("/").split("/")
    for end in range(1, len(parts) + 1):
        step = "/" + "/".join(parts[:end])
        if not os.stat(step).st_mode & stat.S_IXOTH:
            return step
    return None


VERBS = {"doctor": doctor}
