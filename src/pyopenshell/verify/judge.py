"""What the answers mean: expected beside observed, and what is drift. Pure."""

from __future__ import annotations

import errno
import os

from pyopenshell.effective.model import OUTCOME, Finding
from pyopenshell.errors import OpenShellError
from pyopenshell.launch.probe import UNTRIED
from pyopenshell.record import Record
from pyopenshell.verify.attempt import ALLOWED, CLEANUP, DENIED, GROUPS, Attempt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

SCHEMA = "pyopenshell.verification/1"
DRIFT, UNKNOWN, NOT_TELLING = "drift", "unknown", "not telling"
AS_REPORTED = "as reported"
RESULTS = (ALLOWED, DENIED, NOT_TELLING, UNKNOWN, DRIFT)
"""``allowed`` and ``denied`` as expected; ``not telling``: something else decided, mostly file modes; ``unknown``:
it could not be tried; ``drift``."""
DENIALS = (
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ESRCH, errno.EXDEV, errno.ESTALE),
    *(errno.ECONNREFUSED, errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT),
)
"""What a denial looks like, where not one error alone will do."""
EXHAUSTED = (errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.EINTR)
"""Answers that show nothing, whatever was expected: the probe lacked something of its own."""
CODE = OUTCOME + "drift"
MORE = "do not trust this sandbox; please report this with the output of 'openshell doctor'"
LESS = (
    "something denies what is granted: another sandbox around it, another security module, or a rule not made; "
    "unless it is one of the first two, please report this with the output of 'openshell doctor'"
)


class Judged(Record):
    """An attempt with what came of it: the kernel's ``errno`` (0: it was done) and one of RESULTS."""

    attempt: Attempt
    errno: int
    result: str

    @property
    def observed(self) -> str:
        """Return what happened, in words."""
        name = errno.errorcode.get(self.errno, str(self.errno))
        if self.result == UNKNOWN:
            return "could not be tried"
        if self.attempt.call[0] == "nothing":
            return "not tried"
        if self.result == NOT_TELLING:
            return f"file modes: {name}" if self.errno in (errno.EACCES, errno.EPERM) else name
        if self.attempt.words:
            return "same" if self.result != DRIFT else "otherwise"
        if not self.errno:
            return "done"
        if self.errno == errno.ENOENT:
            return "not in view"
        return f"read-only ({name})" if self.errno == errno.EROFS else name

    @property
    def hint(self) -> str:
        """Return what to do about a drift: it depends on whether more is possible than reported, or less."""
        return LESS if self.attempt.expected == ALLOWED and not self.attempt.words else MORE

    def sentence(self) -> str:
        """Return a drift as a sentence."""
        tried = self.attempt
        if tried.words:
            return f"{tried.group}: {tried.subject}: the report says {tried.words}, and that is not so"
        expected = "allowed" if tried.expected == ALLOWED else "denied"
        if tried.exact and expected == "denied":
            expected += f" ({errno.errorcode[tried.exact]})"
        about = f" ({tried.subject})" if tried.subject != tried.target else ""
        what = f"{tried.what} {tried.target}{about}"
        return f"{tried.group}: {what}: the report says {expected}, the kernel says {self._kernel()}"

    def _kernel(self) -> str:
        return "yes" if not self.errno else f"{errno.errorcode.get(self.errno, self.errno)}, {os.strerror(self.errno)}"

    def as_dict(self) -> dict[str, Any]:
        """Return the documented shape."""
        tried = self.attempt
        shape = {name: getattr(tried, name) for name in ("group", "subject", "target", "what", "grant")}
        shape["expected"] = tried.words or tried.expected
        known = self.result != UNKNOWN
        return {**shape, "result": self.result, "errno": self.errno if known else None, "observed": self.observed}


class Verification(Record):
    """What a verification found, attempt by attempt.

    ``stopped_at``: the attempt at which the probe ended early. ``left_behind``: what it made and nobody could remove.
    ``unconfined``: the sandbox runs without Landlock, as its report says.
    """

    name: str
    run_id: str
    judged: tuple[Judged, ...]
    stopped_at: str | None = None
    left_behind: tuple[str, ...] = ()
    unconfined: bool = False

    @property
    def counts(self) -> dict[str, int]:
        """How many attempts had each result."""
        return {result: sum(one.result == result for one in self.judged) for result in RESULTS}

    @property
    def summary(self) -> str:
        """Return the counts in words."""
        counts = self.counts
        parts = (
            "no path is closed, for want of Landlock" if self.unconfined else "",
            f"{len(self.judged)} attempts",
            f"{counts[ALLOWED]} allowed as granted",
            f"{counts[DENIED]} denied as they must be",
            f"{counts[NOT_TELLING]} not telling",
            f"{counts[UNKNOWN]} that could not be tried" if counts[UNKNOWN] else "",
            f"{counts[DRIFT]} otherwise than reported" if counts[DRIFT] else "",
        )
        return ", ".join(part for part in parts if part)

    @property
    def drift(self) -> tuple[Judged, ...]:
        """The attempts that came out otherwise than the report says."""
        return tuple(one for one in self.judged if one.result == DRIFT)

    @property
    def verdict(self) -> str:
        """``drift``, else ``unknown`` where something could not be tried, else ``as reported``."""
        counts = self.counts
        return DRIFT if counts[DRIFT] else UNKNOWN if counts[UNKNOWN] else AS_REPORTED

    def check(self) -> None:
        """Raise OpenShellError unless everything is as reported."""
        if self.verdict == DRIFT:
            raise OpenShellError(
                f"sandbox {self.name} is not what its report says: {len(self.drift)} of {len(self.judged)} attempts "
                "came out otherwise",
                hint=MORE if any(one.hint == MORE for one in self.drift) else LESS,
                code="verify.drift",
            )
        if self.verdict == UNKNOWN:
            where = f"; the probe ended at: {self.stopped_at}" if self.stopped_at else ""
            raise OpenShellError(
                f"sandbox {self.name} could not be verified: {self.counts[UNKNOWN]} of {len(self.judged)} attempts "
                f"could not be made{where}",
                hint="the sandbox ended, something in it killed or stopped the probe, or processes or memory ran out",
                code="verify.unfinished",
            )

    @property
    def findings(self) -> tuple[Finding, ...]:
        """A High finding for each drift."""
        return tuple(Finding(CODE, "High", one.sentence(), one.hint, one.attempt.grant) for one in self.drift)

    def as_dict(self) -> dict[str, Any]:
        """Return the documented shape (docs/cli.md)."""
        return {
            "schema": SCHEMA,
            "sandbox": {"name": self.name, "run_id": self.run_id},
            "verdict": self.verdict,
            "stopped_at": self.stopped_at,
            "left_behind": list(self.left_behind),
            "unconfined": self.unconfined,
            "counts": {"attempts": len(self.judged), **{key.replace(" ", "_"): n for key, n in self.counts.items()}},
            "attempts": [one.as_dict() for one in self.judged],
            "findings": [finding.as_dict() for finding in self.findings],
        }


def judge(attempts: Sequence[Attempt], answers: Sequence[int]) -> tuple[Judged, ...]:
    """Return what each attempt showed, in the order of GROUPS; what only cleaned up is left out."""
    judged = [
        Judged(attempt, abs(answer), _result(attempt, answer))
        for attempt, answer in zip(attempts, answers, strict=True)
        if attempt.expected != CLEANUP
    ]
    return tuple(sorted(judged, key=lambda one: GROUPS.index(one.attempt.group)))


def _result(attempt: Attempt, answer: int) -> str:
    if answer == UNTRIED or (answer in EXHAUSTED and answer != attempt.exact):
        return UNKNOWN
    if answer < 0:
        return NOT_TELLING
    passed = answer == 0 or answer in attempt.passes
    if attempt.expected == ALLOWED:
        return ALLOWED if passed else DRIFT if answer in attempt.refusals else NOT_TELLING
    if passed or (attempt.exact and answer != attempt.exact):
        return DRIFT
    return DENIED if attempt.exact or answer in DENIALS else NOT_TELLING
