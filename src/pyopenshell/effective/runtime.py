"""What the runtime adds on its own account: CUDA's thread names (docs/design.md, section 5)."""

from __future__ import annotations

from pyopenshell.effective.model import Finding, Grant, Origin, grant_id
from pyopenshell.errors import PolicyRefused
from pyopenshell.policy.access import THREAD_NAMES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyopenshell.effective.declared import Placed
    from pyopenshell.effective.request import Request
    from pyopenshell.policy.model import Policy

PROC = "/proc"
PATTERN = "/proc/<own-pid>/task/<own-tid>/comm"
"""What the broker answers for, as people read it; ``/proc/<own-pid>/comm`` is the first of these files."""
COUNT = "1,628 files of procfs to a process of root, 38 to a user's (and those of its other processes)"
"""Regular procfs files that open for writing under ``write_file`` on ``/proc``, measured on Linux 6.18
(docs/evidence/procfs.md)."""
ORIGIN = Origin("runtime", "cuda-thread-names")
NEED = "CUDA names its threads by writing /proc/self/task/<tid>/comm, and fails with error 304 when it cannot"
SCOPE = "The broker opens these files for each process of the sandbox, of its own threads only; Landlock denies them."
CHOOSE = "runtime.cuda_thread_names: write_file accepts that, off goes without"


def wants_broker(policy: Policy, *, cuda: bool) -> bool:
    """Whether it matters if a broker is available: only sandboxes that ask for a GPU are affected."""
    return cuda and policy.cuda_thread_names in ("auto", "broker")


def thread_names(request: Request, declared: list[Placed]) -> tuple[list[Grant], list[Finding]]:
    """Let CUDA name its threads the way the policy chose.

    The addition obeys only its own key: a declared read-only ``/proc`` neither narrows nor covers it. An operator
    who declares ``/proc`` read-write "gets just that". Raises PolicyRefused where there is no broker and the policy
    insists on it: ``broker``, or ``auto`` under hard_requirement.
    """
    whole = next((item.grant for item in declared if item.place == PROC and item.writes), None)
    findings = []
    if whole is not None:
        message = f"{whole.path} is declared read_write: that opens {COUNT} for writing"
        hint = "declare it in read_only; a GPU sandbox names its threads without it"
        findings.append(Finding("declared.proc-writable", "High", message, hint, whole.id))
    choice = request.policy.cuda_thread_names
    if not request.cuda or whole is not None:
        return [], findings
    if choice == "off":
        source, line = request.policy.source.file, request.policy.cuda_thread_names_line
        where = f" ({source or 'policy'}:{line})" if line else ""
        message = f"CUDA's thread names are off{where}: cuInit will fail with error 304"
        hint = "choose another runtime.cuda_thread_names for programs that use CUDA"
        return [], [Finding("cuda.thread-names.off", "High", message, hint)]
    if choice == "write_file":
        return _by_rule("as the policy chose")
    broker = request.host.broker
    why = broker.reason or "without Landlock, which would deny all else, it has not been tried"
    if broker.state in ("available", "outer"):
        return _by_broker(outer=broker.state == "outer")
    if choice == "broker" or request.hard:
        asked = "runtime.cuda_thread_names: broker" if choice == "broker" else "CUDA's thread names (hard_requirement)"
        raise PolicyRefused(
            f"{asked} cannot be had here: {why}",
            hint=f"choose yourself: {CHOOSE}; write_file opens {COUNT} for writing",
            code="cuda.broker-unavailable",
            file=request.policy.source.file,
        )
    return _by_rule(f"because no broker can be had here: {why}")


def _by_broker(*, outer: bool) -> tuple[list[Grant], list[Finding]]:
    grant = Grant(
        grant_id(ORIGIN, PATTERN),
        PATTERN,
        None,
        THREAD_NAMES,
        ORIGIN,
        f"{NEED}. {SCOPE}",
        mechanism="broker",
    )
    whose = "the broker of the sandbox around this one" if outer else "the broker"
    message = f"CUDA's thread names go through {whose}, which a trial just used: nothing else of /proc can be written"
    return [grant], [Finding("cuda.thread-names.broker", "Informational", message, None, grant.id)]


def _by_rule(why: str) -> tuple[list[Grant], list[Finding]]:
    grant = Grant(grant_id(ORIGIN, PROC), PROC, PROC, THREAD_NAMES, ORIGIN, f"{NEED}.")
    message = f"CUDA's thread names are allowed by write_file beneath /proc, {why}: that opens {COUNT} for writing"
    return [grant], [Finding("cuda.thread-names.write-file", "High", message, CHOOSE, grant.id)]
