"""The way from a fork of the keeper to the interpreter of a contributor, losing everything that it must not have.

What it may still do: read what file modes let the sandbox's identity read, execute programs, use memory and time. What
it answers is shown to the operator, and to nobody else: there is no way out but the answer. Landlock keeps files from
being written, and ``seccomp.rows_reading`` what Landlock has no right for.
"""

from __future__ import annotations

import fcntl
import marshal
import os
import resource

from pyopenshell.kernel import process, seccomp
from pyopenshell.kernel.signals import SIGKILL
from pyopenshell.landlock import downgrade, ruleset
from pyopenshell.launch.become import become
from pyopenshell.launch.environment import DEFAULT_PATH
from pyopenshell.policy.access import READ_ONLY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

ANSWER = 3
"""The descriptor for answers, as in ``contributor.harness``."""
ABOVE = 10
"""Descriptors are first moved here, out of the way of those that they will be. Above these, all close at the exec."""
DISCARD = ("read_file", "write_file")
"""What /dev/null is granted: to open it either way."""
MEMORY = 4 << 30
"""Bytes of address space: enough to import anything, and to do little else."""
DESCRIPTORS = 256


def start(plan: dict[str, Any], question: int, answer: int, output: int, failed: int) -> NoReturn:
    """Become the interpreter, with the question as standard input. On ``failed`` it is told what could not be done."""
    step = "descriptors"
    failed = fcntl.fcntl(failed, fcntl.F_DUPFD_CLOEXEC, ABOVE)
    try:
        process.set_parent_death_signal(SIGKILL)
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, ABOVE) for fd in (question, output, output, answer)]
        for fd, target in zip(high, (0, 1, 2, ANSWER), strict=True):
            os.dup2(fd, target)
        os.chdir("/")
        step = "identity"
        become(plan)
        process.set_parent_death_signal(SIGKILL)  # changing credentials cleared it
        _limit(plan["seconds"])
        step = "package"
        os.close(os.open(plan["harness"], os.O_RDONLY | os.O_CLOEXEC))
        step = "landlock"
        process.set_no_new_privs()
        if plan["landlock_abi"]:
            _confine(plan["landlock_abi"])
        step = "seccomp"
        seccomp.install(plan["filter"])
        step = "interpreter"
        words = [plan["python"], "-I", "-B", "-u", plan["harness"], *plan["arguments"]]
        os.execve(plan["python"], words, _environment(plan))  # noqa: S606 - the interpreter that runs this
    except OSError as error:
        os.write(failed, marshal.dumps((step, error.errno or 0)))
    finally:
        os._exit(1)


def _limit(seconds: float) -> None:
    """Bound what it can use. No file it writes can hold anything, and no memory of it is left in one when it dies."""
    wanted = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CPU: int(seconds) + 1,
        resource.RLIMIT_AS: MEMORY,
        resource.RLIMIT_NOFILE: DESCRIPTORS,
    }
    for kind, most in wanted.items():
        hard = resource.getrlimit(kind)[1]
        limit = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (limit, limit))


def _confine(abi: int) -> None:
    """Enter a Landlock domain that only reads: nothing is opened for writing but /dev/null."""
    handled = downgrade.handled(abi, tcp=True, udp=True)
    rules = []
    for path, access in (("/", READ_ONLY), (os.devnull, DISCARD)):
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        rules.append((path, place, downgrade.mask(downgrade.allowed(access, handled))))
    fs, net, scoped = (downgrade.mask(names) for names in (handled.fs, handled.net, handled.scoped))
    domain, outcomes = ruleset.build(fs, net, scoped, rules)
    for outcome in outcomes:
        if outcome["errno"]:
            raise OSError(outcome["errno"], "landlock_add_rule")
    ruleset.enforce(domain, downgrade.log_flags(abi, "off"))


def _environment(plan: dict[str, Any]) -> dict[str, str]:
    """Return what the interpreter may know: of the caller's variables none, they hold secrets."""
    return {
        "PATH": DEFAULT_PATH,
        "HOME": plan["home"],
        "USER": plan["user"],
        "LOGNAME": plan["user"],
        "LANG": "C.UTF-8",
    }
