"""What to do when a step of the launch fails: one sentence for each cause worth telling apart."""

from __future__ import annotations

import errno

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyopenshell.launch.plan import Plan


def hint(step: str, number: int, plan: Plan) -> str | None:
    """Return the hint for a failed step, or None where the message says it all."""
    workdir = plan.workload.workdir
    if step == "working directory":
        return (
            f"the sandbox runs as uid {plan.uid}, which cannot enter {workdir}: "
            "choose another folder with --workdir, or run_as_user in the policy's process section"
        )
    if step in ("namespaces", "fork init", "mounts"):
        return "run 'openshell doctor': it tries each namespace and says what this host allows"
    if step == "identity":
        return "changing to another user needs CAP_SETUID, CAP_SETGID and CAP_SETPCAP; run as an ordinary user instead"
    if step == "path descriptors" and number == errno.EMFILE:
        return "raise the limit of open files (ulimit -n)"
    if step in ("landlock", "seccomp", "canary"):
        return "nothing was run; run 'openshell doctor' to see what this kernel offers"
    return None
