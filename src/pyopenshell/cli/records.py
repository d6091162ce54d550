"""What several verbs say of a run's record in the same way."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pyopenshell.errors import StateError

if TYPE_CHECKING:
    from typing import Any

    from pyopenshell.runs import RunView
    from pyopenshell.verify.judge import Verification


def command(argv: list[str]) -> str:
    """Return a command as a shell would take it; a sandbox that a program keeps has none of its own."""
    import shlex

    return shlex.join(argv) or "(programs of pyopenshell.Sandbox)"


def effective(view: RunView) -> dict[str, Any] | None:
    """Return a run's effective policy as stored, but for its state: what was running then may have ended since."""
    shape = view.effective()
    if shape is not None and shape["sandbox"]["state"] == "running":
        shape["sandbox"]["state"] = view.state
    return shape


def verified(view: RunView, verification: Verification) -> None:
    """Add a verification to the events of a run, which its supervisor may be writing too. Raises StateError."""
    from pyopenshell.audit import context, translate
    from pyopenshell.audit.log import Log

    now = context.here(view.name, view.id)
    log = Log(view.path)
    try:
        log.append(
            translate.verified(verification.verdict, verification.summary, verification.counts, now),
            *(translate.finding(finding, now) for finding in verification.findings),
        )
    finally:
        log.close()


def started(identifier: str) -> float:
    """Return the time, in seconds since 1970, that a run's id (a ULID) carries."""
    number = 0
    for letter in identifier[:10]:
        number = number << 5 | "0123456789ABCDEFGHJKMNPQRSTVWXYZ".index(letter)
    return number / 1000


def stored(view: RunView) -> None:
    """Print a run's policy exactly as it was stored, byte for byte."""
    data = policy_bytes(view)
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def policy_bytes(view: RunView) -> bytes:
    """Return a run's policy as it was stored. Raises StateError."""
    try:
        with open(f"{view.path}/policy.yaml", "rb") as file:
            return file.read()
    except OSError as error:
        raise StateError(f"cannot read {view.path}/policy.yaml: {error.strerror}") from error
