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

SCOPES = 6
"""The first ABI of Landlock that keeps a sandbox's signals in; with it, only a newer kernel's refinements lack."""
CLOSED = {
    "kernel/unprivileged_userns_clone": ("0", "1", "Debian's setting: ordinary users can make none"),
    "user/max_user_namespaces": ("0", "10000", "none can be made"),
    "kernel/apparmor_restrict_unprivileged_userns": (
        "1",
        "0",
        "Ubuntu's setting: nothing can be mounted in them without an AppArmor profile that has userns",
    ),
}
"""The settings that close user namespaces to ordinary users: the value that does, one that opens them, the effect."""
YAMA = "kernel/yama/ptrace_scope"
SCOPE = {
    "0": "a process may trace what runs as the same user",
    "1": "a process may trace its own descendants",
    "2": "only CAP_SYS_PTRACE may trace",
    "3": "nothing may trace, until the next boot",
}
"""What Yama's setting means (Documentation/admin-guide/LSM/Yama.rst)."""

WITHOUT = {
    "mount": "the host's /tmp, /run and sockets stay in view, and what Landlock does not close stays open",
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
    yield _yama()
    yield _broker(host)
    nodes = ", ".join(device.path for device in host.devices)
    yield Check("gpu", OK, nodes or "no device nodes: --gpu would fail, --gpu 0 works")


def _landlock(host: Host) -> Check:
    if not host.landlock_abi:
        from pyopenshell.launch.hints import no_landlock

        return Check("landlock", FAIL, *no_landlock(host.landlock_errno))
    from pyopenshell.devices.host import LANDLOCK_SINCE
    from pyopenshell.kernel import landlock
    from pyopenshell.landlock.abi import RIGHTS

    missing: dict[int, list[str]] = {}
    for right in RIGHTS:
        if right.abi > host.landlock_abi:
            missing.setdefault(right.abi, []).append(right.name)
    lacks = [
        f"{' and '.join(names)} (ABI {abi}, Linux {LANDLOCK_SINCE[abi]})" for abi, names in sorted(missing.items())
    ]
    seen = f"ABI {host.landlock_abi}, errata {landlock.errata():#b}"
    seen += f"; lacks {', '.join(lacks)}" if lacks else ""
    hint = "every report says right by right what follows, and what stands in: openshell run --explain -- COMMAND"
    return Check("landlock", WARN if host.landlock_abi < SCOPES else OK, seen, hint)


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
            yield Check(f"{kind} namespace", WARN, made.reason or "cannot be made", f"none is needed: {consequence}")
    if not (made.mount and made.pid and made.net):
        yield from _closed()


def _closed() -> Iterator[Check]:
    """Name each setting that closes user namespaces, or what is in them, to ordinary users."""
    if os.geteuid() == 0:
        return
    for path, (closed, opened, effect) in CLOSED.items():
        if _setting(path) == closed:
            name = path.replace("/", ".")
            hint = f"{effect}. Root can open them: sysctl {name}={opened}"
            yield Check("user namespace", WARN, f"{name} is {closed}", hint)


def _setting(path: str) -> str | None:
    """Return a setting beneath /proc/sys, None where this kernel has none."""
    try:
        with open(f"/proc/sys/{path}", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return None


def _yama() -> Check:
    """Say who may look into whose memory: a broker reads from its descendants. Whether it can is the next row's."""
    scope = _setting(YAMA)
    if scope is None:
        return Check("yama", OK, "not in this kernel: a process may trace what runs as the same user")
    return Check("yama", OK, f"ptrace_scope {scope}: {SCOPE.get(scope, 'unknown to this version')}")


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
