"""What the runtime adds on its own account: CUDA's thread names (docs/design.md, section 5)."""

from __future__ import annotations

from pyopenshell.effective.model import Finding, Grant, Origin, grant_id
from pyopenshell.errors import PolicyRefused
from pyopenshell.policy.access import THREAD_NAMES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyopenshell.effective.declared import Placed
    from pyopenshell.effective.request import Request

PROC = "/proc"
COUNT = "1,664 files of procfs to a process of root, 75 to a user's"
"""Regular procfs files that open for writing under ``write_file`` on ``/proc``, measured on Linux 6.18 (gpu tests)."""
ORIGIN = Origin("runtime", "cuda-thread-names")
CHOOSE = "runtime.cuda_thread_names: write_file accepts that, off goes without"


def thread_names(request: Request, declared: list[Placed]) -> tuple[list[Grant], list[Finding]]:
    """Let CUDA name its threads the way the policy chose; only sandboxes that ask for a GPU are affected.

    The addition obeys only its own key: a declared read-only ``/proc`` neither narrows nor covers it. An operator
    who declares ``/proc`` read-write "gets just that". Raises PolicyRefused for ``broker``, and for ``auto`` under
    hard_requirement, while there is no broker.
    """
    whole = next((item.grant for item in declared if item.place == PROC and item.writes), None)
    findings = []
    if whole is not None:
        message = f"{whole.path} is declared read_write: that opens {COUNT} for writing"
        hint = "declare it in read_only; a GPU sandbox names its threads without it"
        findings.append(Finding("declared.proc-writable", "High", message, hint, whole.id))
    choice = request.policy.cuda_thread_names
    if request.gpu is None:
        return [], findings
    if choice == "broker":
        raise _no_broker("runtime.cuda_thread_names: broker is not available in this version", request)
    if whole is not None:
        return [], findings
    if choice == "off":
        message = "CUDA's thread names are off: cuInit will fail with error 304"
        hint = "choose another runtime.cuda_thread_names for programs that use CUDA"
        return [], [Finding("cuda.thread-names.off", "High", message, hint)]
    if choice == "auto" and request.hard:
        raise _no_broker(
            "CUDA's thread names need the broker under hard_requirement, and it is not available in this version",
            request,
        )
    grant = Grant(
        grant_id(ORIGIN, PROC),
        PROC,
        PROC,
        THREAD_NAMES,
        ORIGIN,
        "CUDA names its threads by writing /proc/self/task/<tid>/comm, and fails with error 304 when it cannot.",
    )
    by = "as the policy chose" if choice == "write_file" else "because the broker is not available"
    message = f"CUDA's thread names are allowed by write_file beneath /proc, {by}: that opens {COUNT} for writing"
    return [grant], [Finding("cuda.thread-names.write-file", "High", message, CHOOSE, grant.id)]


def _no_broker(message: str, request: Request) -> PolicyRefused:
    hint = f"choose yourself: {CHOOSE}; write_file opens {COUNT} for writing"
    return PolicyRefused(message, hint=hint, code="cuda.broker-unavailable", file=request.policy.source.file)
