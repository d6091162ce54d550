"""What several verbs say of a run's record in the same way."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pyopenshell.errors import StateError

if TYPE_CHECKING:
    from pyopenshell.runs import RunView


LOGIN_SHELL = ("/bin/sh", "-c", 'command -v "${SHELL:-}" >/dev/null 2>&1 || SHELL=/bin/sh; exec "$SHELL" -l')
"""The shell of the sandbox's user, as a login shell."""


def command(argv: list[str]) -> str:
    """Return a command as a shell would take it; a sandbox that is kept for others has none of its own."""
    import shlex

    return "(login shell)" if tuple(argv) == LOGIN_SHELL else shlex.join(argv) or "(none: programs are started in it)"


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
