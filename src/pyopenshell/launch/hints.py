"""What to do when a step of the launch fails: one sentence for each cause worth telling apart."""

from __future__ import annotations

import errno
import os

from pyopenshell.effective import findings
from pyopenshell.errors import CommandError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyopenshell.launch.plan import Plan


def hint(step: str, number: int, plan: Plan) -> str | None:
    """Return the hint for a failed step, or None where the message says it all."""
    workdir = plan.workload.workdir
    if number in (errno.EMFILE, errno.ENFILE):
        return "raise the limit of open files (ulimit -n)"
    if step == "working directory":
        return (
            f"the sandbox runs as uid {plan.uid}, which cannot enter {workdir}: "
            "choose another folder with --workdir, or run_as_user in the policy's process section"
        )
    if number == errno.ENOSYS and step in ("mounts", "path descriptors"):
        return (
            "something around this process denies openat2(2): a sandbox of ours does below Landlock ABI 5, and then no "
            "other one can be started in it"
        )
    if step in ("namespaces", "fork init", "mounts"):
        return "run 'openshell doctor': it tries each namespace and says what this host allows"
    if step == "identity":
        return "changing to another user needs CAP_SETUID, CAP_SETGID and CAP_SETPCAP; run as an ordinary user instead"
    if step in ("landlock", "seccomp", "canary"):
        return "nothing was run; run 'openshell doctor' to see what this kernel offers"
    return None


def no_landlock(number: int) -> tuple[str, str]:
    """Return message and hint for a kernel whose answer to landlock_create_ruleset(2) is this errno."""
    cause, remedy = findings.no_landlock(number)
    return f"nothing would confine the command: {cause}", f"{remedy}; --unsafe-unconfined runs it without"


def exec_failed(program: str, number: int) -> CommandError:
    """Return the error for a command that execve(2) refused inside the sandbox, after all checks outside."""
    hint = "is it, or what it is loaded by, outside of what the policy grants? openshell why --execute PATH tells"
    if number == errno.ENOEXEC:
        hint = "it has no '#!' line and is no program for this machine: name its interpreter"
    error = CommandError(f"cannot execute {program}: {os.strerror(number)}", hint=hint, code="command.not-executable")
    error.exit_code = 127 if number == errno.ENOENT else 126
    return error
