"""Why a program that uses CUDA probably failed, told from what its sandbox allowed and what the broker saw. Pure.

The program's own words are not read: they belong to whoever started it. An exit code and the effective policy name
causes, not certainties, and say so.
"""

from __future__ import annotations

from pyopenshell.effective.model import OUTCOME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pyopenshell.effective.model import Effective, Grant

OPERATING_SYSTEM = 304
"""CUDA_ERROR_OPERATING_SYSTEM (the CUDA driver API's CUresult)."""
AS_EXIT_CODE = OPERATING_SYSTEM & 0xFF
"""What is left of it in an exit code (wait(2))."""
SIGSEGV = 11
CAUSES = {
    "cuda.thread-names.off": "the policy says runtime.cuda_thread_names: off, so no thread of CUDA's could be named",
    "cuda.proc-unreadable": "/proc could not be read",
    "cdi.control-node-left-out": "the CDI spec leaves out a device node that cuInit opens",
    "cdi.path-skipped": "not all that the CDI spec names could be given",
    "cuda.device-missing": "a device node that cuInit opens is missing",
}
"""Findings that make cuInit fail, in the order of their certainty: what to say of each."""
PROBE = "'openshell run --gpu -- openshell gpu probe' shows step by step what fails"
ANSWERED = ("granted", "passed", "gone")
"""The broker's answers that are no refusal: the last is about a process that ended meanwhile."""


def likely(effective: Effective, code: int, signal: int | None, broker: Mapping[str, int] | None) -> tuple[str, ...]:
    """Return sentences on what probably made the program fail, the likeliest first; none where nothing points to CUDA.

    ``code`` is its exit code, ``signal`` what ended it; ``broker`` has the counts of the broker's answers by kind,
    None without one of the sandbox's own. For a sandbox that has no GPU, and a program that ended well, it is empty.
    """
    if effective.devices is None or (code == 0 and signal is None) or not _is_cuda(effective):
        return ()
    found = [*_denied(effective), *_refused(broker)]
    if signal is not None and signal != SIGSEGV:
        return ()
    if signal == SIGSEGV or code == AS_EXIT_CODE:
        found += _unasked(effective, broker)
        what = (
            "if CUDA crashed it" if signal else f"{code} is what an exit code keeps of CUDA's error {OPERATING_SYSTEM}"
        )
        return _sentences(what, found or [f"its libraries do not fit the driver, or are missing; {PROBE}"])
    return _sentences(f"if CUDA failed (error {OPERATING_SYSTEM}, or no device)", found) if found else ()


def _sentences(what: str, found: list[str]) -> tuple[str, ...]:
    """Return the likeliest cause, and up to two others."""
    return (f"{what}, the likely cause: {found[0]}", *(f"or: {sentence}" for sentence in found[1:3]))


def _is_cuda(effective: Effective) -> bool:
    """Whether CUDA's thread names were decided on: they are for every sandbox that asks for CUDA's GPU."""
    codes = {finding.code for finding in effective.findings}
    return any(code.startswith("cuda.thread-names.") or code == "declared.proc-writable" for code in codes)


def _denied(effective: Effective) -> Iterator[str]:
    """Yield what the findings, and the devices that got no rule or whose modes deny them, say."""
    grants = {grant.id: grant for grant in effective.grants}
    for code, sentence in CAUSES.items():
        for finding in effective.findings:
            if finding.code == code:
                yield sentence if code.startswith("cuda.thread-names") else f"{sentence}: {finding.message}"
    for finding in effective.findings:
        grant = grants.get(finding.grant or "")
        if grant is None or not _is_device(grant):
            continue
        if finding.code == "baseline.declared-read-only":
            yield f"the policy keeps {grant.path} read-only, which CUDA opens for writing"
        elif finding.code.startswith(OUTCOME):
            yield f"{grant.path} cannot be opened by the sandbox's user: {grant.detail.message}"


def _is_device(grant: Grant) -> bool:
    return "ioctl_dev" in grant.access and (grant.origin.kind == "cdi" or grant.origin.name == "gpu")


def _refused(broker: Mapping[str, int] | None) -> Iterator[str]:
    """Yield what the broker of CUDA's thread names refused."""
    kinds = {kind: number for kind, number in (broker or {}).items() if number and kind not in ANSWERED}
    if kinds:
        told = ", ".join(f"{kind} {number}" for kind, number in kinds.items())
        yield f"the broker of CUDA's thread names refused some of them ({told})"


def _unasked(effective: Effective, broker: Mapping[str, int] | None) -> Iterator[str]:
    """Yield that no thread was named: cuInit does that after it has opened its devices."""
    given = effective.devices.given if effective.devices else ()
    if broker is not None and not broker.get("granted") and given:
        yield f"a device or a library is missing, for no thread was ever named (the broker was not asked); {PROBE}"
