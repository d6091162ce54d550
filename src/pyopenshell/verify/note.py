"""Writing a verification down: among the events of the run that it is about."""

from __future__ import annotations

from pyopenshell.audit import context, translate
from pyopenshell.audit.log import Log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyopenshell.runs import RunView
    from pyopenshell.verify.judge import Verification


def note(view: RunView, verification: Verification) -> None:
    """Add a verification to the events of a run, which its supervisor may be writing too. Raises StateError."""
    now = context.here(view.name, view.id)
    log = Log(view.path)
    try:
        log.append(
            translate.verified(verification.verdict, verification.summary, verification.counts, now),
            *(translate.finding(finding, now) for finding in verification.findings),
        )
    finally:
        log.close()
