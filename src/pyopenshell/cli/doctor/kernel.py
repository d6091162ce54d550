"""What the kernel offers. Everything is tried, nothing is guessed from settings."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from pyopenshell.cli.doctor.codes import Check, check

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyopenshell.devices.host import Host

NOBODY = 65534
"""The overflow uid (user_namespaces(7)): nobody's."""

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


def checks(host: Host) -> Iterator[Check]:
    """Check what the kernel offers."""
    from pyopenshell.kernel import numbers

    known = host.architecture in numbers.ROWS
    yield check("kernel.ok", "kernel", f"Linux {host.release}")
    code = "architecture.ok" if known else "architecture.unknown"
    yield check(code, "architecture", host.architecture, f"supported are {', '.join(numbers.ROWS)}")
    yield _landlock(host)
    if host.landlock_abi:
        yield _enforcement(host.landlock_abi)
    seen = "filters can be installed" if host.seccomp else "seccomp(2) is refused"
    code = "seccomp.ok" if host.seccomp else "seccomp.missing"
    yield check(code, "seccomp", seen, "use a kernel with CONFIG_SECCOMP_FILTER=y")
    yield from _namespaces(host)
    yield _yama()
    yield _broker(host)


def _landlock(host: Host) -> Check:
    if not host.landlock_abi:
        from pyopenshell.launch.hints import no_landlock

        return check("landlock.missing", "landlock", *no_landlock(host.landlock_errno))
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
    return check("landlock.old" if host.landlock_abi < SCOPES else "landlock.ok", "landlock", seen, hint)


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
    verdict = "enforcement.ok" if answer == errno.EACCES else "enforcement.broken"
    return check(verdict, "enforcement", seen, "it should get EACCES: please report this")


def _namespaces(host: Host) -> Iterator[Check]:
    made = host.namespaces
    where = "made, inside a user namespace" if made.user else "made"
    for kind, consequence in WITHOUT.items():
        if getattr(made, kind):
            yield check("namespace.ok", f"{kind} namespace", where)
        else:
            seen, hint = made.reason or "cannot be made", f"none is needed: {consequence}"
            yield check("namespace.unavailable", f"{kind} namespace", seen, hint)
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
            steps = (f"sudo sysctl {name}={opened}",)
            yield check("namespace.closed", "user namespace", f"{name} is {closed}", hint, steps)


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
        return check("yama.ok", "yama", "not in this kernel: a process may trace what runs as the same user")
    return check("yama.ok", "yama", f"ptrace_scope {scope}: {SCOPE.get(scope, 'unknown to this version')}")


def _broker(host: Host) -> Check:
    """Try the broker of CUDA's thread names with a throwaway child, as an ordinary user."""
    from pyopenshell.effective.model import Identity
    from pyopenshell.launch.broker_trial import BrokerTrial

    hint = "a GPU sandbox works without, and then writes /proc more widely: a High finding says how far"
    if not host.seccomp:
        return check("broker.unavailable", "broker", "needs seccomp", hint)
    own = Identity(os.geteuid(), os.getegid(), tuple(os.getgroups()), "caller")
    trial = BrokerTrial(own if own.uid else Identity(NOBODY, NOBODY, (), "anyone but root"))
    try:
        found = trial.result()
    finally:
        trial.close()
    seen = {"available": "a child just named its thread through it", "outer": "that of a sandbox around this process"}
    code = "broker.ok" if found.state in seen else "broker.unavailable"
    return check(code, "broker", seen.get(found.state, found.reason), hint)
