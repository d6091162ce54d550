"""The run record of a sandbox that the store knows."""

from __future__ import annotations

import os

from pyopenshell.errors import NoSuchSandbox
from pyopenshell.runs.view import RunView
from pyopenshell.state import state_root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyopenshell.gateway.store import Sandbox


class NoRecord(NoSuchSandbox):
    """A sandbox has no run record: it did not start yet, or its record was removed."""

    code = "record.missing"


def record_of(sandbox: Sandbox) -> RunView:
    """Return the record of a sandbox's newest run. Raises NoRecord."""
    path = f"{state_root()}/runs/{sandbox.run_id}"
    if not sandbox.run_id or not os.path.isdir(path):
        raise NoRecord(
            f"there is no record of a run of {sandbox.name}",
            hint="it did not start yet, or its record was removed: openshell sandbox get says how it is",
        )
    return RunView(path)
