"""What became of the plan: the kernel's word on every rule, written into the grants."""

from __future__ import annotations

import errno
import os

from pyopenshell.effective.model import OUTCOME, Detail, Finding, Grant
from pyopenshell.errors import LaunchError
from pyopenshell.policy.access import THREAD_NAMES
from pyopenshell.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from pyopenshell.effective.model import Effective


OUTER = "outer: the broker of the sandbox around this one answers"
DENIED = "file modes deny the sandbox's identity: "
"""How a detail begins that lists rights which a rule gives and file modes take."""
ENTRIES = ("make_", "remove_", "refer")
"""How the rights begin that change a folder's own entries, and need permission to write to it."""


class Outcome(Record):
    """What the kernel said about one grant's rule.

    ``actual``: the rights it accepted. ``errno``: why there is no rule (0: there is one). ``missing``: rights that file
    modes deny the identity all the same, with ``missing_errno``. ``created``: the folder was made for the rule.
    ``note``: what else to know. ``unbound``: the host's file could not be shown there.
    """

    actual: tuple[str, ...] = ()
    errno: int = 0
    missing: tuple[str, ...] = ()
    missing_errno: int = 0
    created: bool = False
    note: str = ""
    unbound: bool = False


def outcomes(receipt: Mapping[str, Any]) -> dict[str, Outcome]:
    """Gather what a receipt says, by grant.

    It holds ``rules`` (``grant``, ``actual``, ``errno``), ``created`` (grant ids), and ``reach`` (per ``grant``, what
    file modes answered the identity: an errno each for ``find``, ``read``, ``write``, ``execute``; and ``folder``).
    ``broker``, where there is one, has the ``grants`` that it serves and says whether it is the sandbox's ``own``.
    """
    reach = {entry["grant"]: entry for entry in receipt.get("reach", ())}
    created = frozenset(receipt.get("created", ()))
    result = {}
    for rule in receipt["rules"]:
        actual = tuple(rule["actual"])
        missing, number = _denied(actual, reach.get(rule["grant"], {}))
        result[rule["grant"]] = Outcome(actual, rule["errno"] or 0, missing, number, rule["grant"] in created)
    unbound = receipt.get("unbound") or {}
    result |= {grant: Outcome(errno=number, unbound=True) for grant, number in unbound.items()}
    broker = receipt.get("broker")
    if broker:
        note = "" if broker["own"] else OUTER
        result |= {grant: Outcome(THREAD_NAMES, note=note) for grant in broker["grants"]}
    return result


def _denied(actual: tuple[str, ...], reach: Mapping[str, Any]) -> tuple[tuple[str, ...], int]:
    """Return the rights that file modes deny all the same, and the errno.

    A folder's modes speak of the folder: who may list it and change its entries. What lies in it has modes of its own,
    unless the folder cannot be searched. A file without an execute bit is no program, and not worth a word.
    """
    if reach.get("find"):
        return actual, reach["find"]
    is_dir = reach.get("folder", False)
    if is_dir and reach.get("execute"):
        kept = () if reach.get("read") else ("read_dir",)
        return tuple(right for right in actual if right not in kept), reach["execute"]
    asked = {right: _asked(right, is_dir=is_dir) for right in actual}
    missing = tuple(right for right in actual if reach.get(asked[right]))
    return missing, reach[asked[missing[0]]] if missing else 0


def _asked(right: str, *, is_dir: bool) -> str:
    """Return which permission of the file itself a right needs: read, write, or none."""
    if is_dir:
        return "read" if right == "read_dir" else "write" if right.startswith(ENTRIES) else ""
    return {"read_file": "read", "write_file": "write", "truncate": "write"}.get(right, "")


def settle(
    effective: Effective,
    outcomes: Mapping[str, Outcome],
    state: str = "running",
    quiet: Iterable[Mapping[str, Any]] = (),
) -> Effective:
    """Return the policy with every planned grant ended: ``enforced``, ``blocked`` or ``skipped``.

    A grant covered by one that got no rule is ``skipped`` too, for nothing gives it. Raises LaunchError when the
    kernel accepted a rule that no planned grant asked for, or more rights than it asked for: that would be a hidden
    grant. The digest stays what it was. ``quiet`` is what the receipt says of the paths that are not to be logged.
    """
    # One that is shown from elsewhere and covered has no rule, but there is something to be told of it.
    unbound = {identifier for identifier, outcome in outcomes.items() if outcome.unbound}
    planned = {one.id: one for one in effective.grants if one.status == "planned" or one.id in unbound}
    _check(planned, outcomes)
    settled = {identifier: _settled(grant, outcomes.get(identifier)) for identifier, grant in planned.items()}
    grants = tuple(settled.get(grant.id) or _inherit(grant, settled) for grant in effective.grants)
    findings = [finding for grant in settled.values() for finding in _findings(grant)]
    findings += [_loud(path["path"], path["errno"]) for path in quiet if path["errno"]]
    return effective.replace(grants=grants, findings=(*effective.findings, *findings), state=state)


def _check(planned: Mapping[str, Grant], outcomes: Mapping[str, Outcome]) -> None:
    """Every rule the kernel accepted belongs to a grant, and gives no more than it."""
    for identifier, outcome in outcomes.items():
        grant = planned.get(identifier)
        extra = set(outcome.actual) - set(grant.access if grant else ())
        if extra:
            raise LaunchError(
                f"the receipt holds rights that no grant asked for: {', '.join(sorted(extra))} for {identifier}",
                step="receipt",
                hint="this is a defect of openshell; the sandbox must not run",
            )


def _settled(grant: Grant, outcome: Outcome | None) -> Grant:
    """Return one planned grant with its outcome."""
    if outcome is None:
        return grant.replace(status="skipped", detail=Detail(message="no rule was made for it"))
    if outcome.errno:
        message = f"no rule was made: {os.strerror(outcome.errno)}"
        if outcome.unbound:
            message = f"{grant.source} could not be shown there: {os.strerror(outcome.errno)}"
        return grant.replace(status="skipped", detail=Detail(outcome.errno, message=message))
    if not outcome.actual:
        return grant.replace(
            status="skipped", detail=Detail(message="this kernel knows none of its rights for this file")
        )
    notes = ["created"] if outcome.created else [outcome.note] if outcome.note else []
    if not outcome.missing:
        detail = Detail(message=notes[0] if notes else None)
        return grant.replace(status="enforced", actual=outcome.actual, detail=detail)
    notes.append(f"{DENIED}{', '.join(outcome.missing)}")
    detail = Detail(outcome.missing_errno or None, message="; ".join(notes))
    return grant.replace(status="blocked", actual=outcome.actual, detail=detail)


def _inherit(grant: Grant, settled: Mapping[str, Grant]) -> Grant:
    """Give a covered grant what its giver got; anything else was ended before the launch."""
    giver = settled.get(grant.detail.covered_by or "")
    if grant.status != "covered" or giver is None:
        return grant
    if giver.status == "skipped":
        message = f"{giver.id} was to give it and got no rule"
        return grant.replace(status="skipped", detail=Detail(giver.detail.errno, giver.id, message))
    return grant.replace(actual=tuple(right for right in grant.access if right in giver.actual))


def _loud(path: str, number: int) -> Finding:
    """Report a path whose denials are logged although they were not to be."""
    message = f"kernel_log_quiet: denials beneath {path} are logged all the same: {os.strerror(number)}"
    hint = "name a path that is there, without symbolic links" if number in (errno.ENOENT, errno.ELOOP) else None
    return Finding(OUTCOME + "quiet", "Low", message, hint)


def _findings(grant: Grant) -> list[Finding]:
    """Report what was asked for and did not come about. Baselines are quiet, but for those of a GPU."""
    quiet = grant.origin.kind == "baseline" and grant.origin.name != "gpu"
    if quiet or grant.status == "enforced":
        return []
    message = f"{grant.path} ({grant.origin}): {grant.detail.message}"
    hint = None
    if grant.status == "blocked":
        hint = "the folder's owner and mode decide as well: process.run_as_user, or chown"
    return [Finding(OUTCOME + grant.status, "Medium", message, hint, grant.id)]
