"""All that is tried in one verification, from the report and what there is to try. Pure."""

from __future__ import annotations

from pyopenshell.verify import calls, identity, procfs, sockets
from pyopenshell.verify.files import Files
from pyopenshell.verify.rules import Rules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from pyopenshell.effective.model import Effective
    from pyopenshell.verify.attempt import Attempt
    from pyopenshell.verify.outside import Outside


def plan(effective: Effective, receipt: Mapping[str, Any], seen: Outside) -> tuple[Attempt, ...]:
    """Return the attempts, in the order in which they are made.

    Writing within the sandbox's own folders comes last: it is what could be stopped by a full disk.
    """
    rules = Rules(effective)
    inodes = frozenset((rule["dev"], rule["ino"]) for rule in receipt["rules"] if rule["dev"] is not None)
    folders = frozenset(entry["grant"] for entry in receipt["reach"] if entry["folder"])
    files = Files(rules, seen, inodes, brokered=effective.brokered)
    private = effective.isolation["pid"].state == "private"
    return (
        *identity.attempts(effective, receipt, seen),
        *calls.attempts(effective.seccomp.rows or ()),
        *sockets.attempts(effective, seen),
        *procfs.thread_names(rules, brokered=effective.brokered),
        *procfs.processes(
            rules,
            1 if private else 0,
            () if private else tuple(pid for pid in (seen.supervisor, seen.bystander) if pid),
            may_signal=effective.isolation["signals"].state == "open",
        ),
        *files.devices(),
        *files.elsewhere(),
        *files.beside(),
        *files.of_grants(folders),
    )
