"""How the baselines join the declared paths: declared wins, and what another grant gives already needs no rule."""

from __future__ import annotations

import os

from pyopenshell.effective.declared import NOTHING, WRITING, Placed, unused
from pyopenshell.effective.model import Detail, Finding, Grant, Origin, grant_id
from pyopenshell.effective.paths import normal, upward
from pyopenshell.effective.refuse import protected_places, touches
from pyopenshell.effective.request import Resolved
from pyopenshell.policy.access import READ_ONLY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyopenshell.baseline.model import Proposal
    from pyopenshell.effective.request import Request

READING = frozenset(READ_ONLY)


class Candidate:
    """A proposal on its way to becoming a grant. Mutable, and never leaves this module."""

    def __init__(self, proposal: Proposal, where: Resolved, identifier: str) -> None:
        """Start out ``planned``."""
        self.proposal = proposal
        self.id = identifier
        self.real = where.real
        self.source: str | None = None
        self.links = where.links
        self.links_by_others = where.links_by_others
        self.place = where.place or normal(proposal.path)
        self.is_dir = where.is_dir
        self.is_device = where.is_device
        self.is_socket = where.is_socket
        self.access = frozenset(proposal.access)
        self.status = "planned"
        self.detail = NOTHING

    @property
    def reads_only(self) -> bool:
        """Whether it gives no more than what is declared read-only."""
        return self.access <= READING

    @property
    def writes(self) -> bool:
        """Whether any of its rights changes something on disk."""
        return not WRITING.isdisjoint(self.access)

    def skip(self, message: str, errno: int | None = None) -> None:
        """Give up the rule, and what was to be shown; say why."""
        self.status, self.detail, self.source = "skipped", Detail(errno, message=message), None

    def placed(self) -> Placed:
        """Return the finished grant."""
        proposal = self.proposal
        grant = Grant(
            self.id,
            proposal.path,
            self.real,
            proposal.access,
            origin_of(proposal),
            proposal.reason,
            status=self.status,
            detail=self.detail,
            source=self.source,
        )
        return Placed(grant, self.place, self.is_dir, None, proposal.private)


def origin_of(proposal: Proposal) -> Origin:
    """Return who proposed it."""
    return Origin(proposal.kind, proposal.name, proposal.file, proposal.line)


def join(request: Request, declared: list[Placed]) -> tuple[list[Placed], list[Finding]]:
    """Turn every proposal into a grant: ``planned``, ``covered`` or ``skipped``. None is left out of the report."""
    used: set[str] = set()
    candidates: list[Candidate] = []
    findings: list[Finding] = []
    for proposal in request.proposals:
        identifier = unused(grant_id(origin_of(proposal), proposal.path), used)
        where = _resolve(request, proposal)
        candidate = Candidate(proposal, where, identifier)
        if proposal.problem:
            candidate.skip(proposal.problem)
        elif proposal.source is not None:
            from pyopenshell.effective.elsewhere import show

            show(request, candidate, proposal.source, where)
        elif where.errno:
            candidate.skip(
                os.strerror(where.errno), where.errno
            )  # "Baseline paths that do not exist are skipped, quietly."
        candidates.append(candidate)
    if any(candidate.proposal.kind == "contributor" for candidate in candidates):
        from pyopenshell.effective.contributed import check as check_contributed

        findings.extend(check_contributed(request, candidates, declared))
    findings.extend(_yield_to_declared(candidates, declared))
    if any(candidate.proposal.kind == "cdi" for candidate in candidates):
        from pyopenshell.effective.elsewhere import check

        check(request, candidates, declared)
    findings.extend(_keep_protected(candidates, request))
    _cover(candidates, declared)
    return [candidate.placed() for candidate in candidates], findings


def _resolve(request: Request, proposal: Proposal) -> Resolved:
    """Say where a proposal leads. A private folder is made by the launch, and need not be there yet."""
    where = request.resolve(proposal.path)
    if not proposal.private:
        return where
    place = where.place or normal(proposal.path)
    return Resolved(place, is_dir=True, place=place)


def _yield_to_declared(candidates: list[Candidate], declared: list[Placed]) -> list[Finding]:
    """Let declared win over baselines.

    "A baseline path declared read-only stays read-only, a baseline that encloses a declared read-only path is
    dropped, each with a finding that names the declaration and what to change; a declared ancestor does not narrow
    baselines beneath it." Only baselines that give more than read-only are concerned.
    """
    read_only: dict[str, Placed] = {}
    for item in declared:
        if not item.writes:
            for folder in upward(item.place):
                if folder != item.place and folder in read_only:
                    break  # and so are all folders above it
                read_only[folder] = item
    findings = []
    for candidate in candidates:
        winner = read_only.get(candidate.place) or read_only.get(candidate.source or "")
        if winner is None or candidate.status != "planned" or candidate.reads_only:
            continue
        same = winner.place in (candidate.place, candidate.source)
        candidate.skip(
            f"{winner.label} stays read-only" if same else f"it encloses {winner.label}, which stays read-only"
        )
        findings.append(_yielded(candidate, winner, same=same))
    return findings


def _yielded(candidate: Candidate, winner: Placed, *, same: bool) -> Finding:
    """Tell what a declaration took from a baseline."""
    proposal = candidate.proposal
    lost = ", ".join(right for right in proposal.access if right not in READING)
    action = f"remove it from read_only, or declare {proposal.path} in read_write"
    if not same:
        action = f"move {winner.grant.path} out of {candidate.source or proposal.path}, or remove it from read_only"
    asked_for = proposal.kind == "cdi" or proposal.name == "gpu"
    severity = "High" if asked_for and proposal.is_device else "Medium" if asked_for or proposal.private else "Low"
    return Finding(
        "baseline.declared-read-only" if same else "baseline.encloses-read-only",
        severity,
        f"{winner.label} is declared read-only, so {origin_of(proposal)} does not give {lost} on {proposal.path}: "
        f"{proposal.reason}{' CUDA will fail without it.' if severity == 'High' else ''}",
        action,
        candidate.id,
    )


def _keep_protected(candidates: list[Candidate], request: Request) -> list[Finding]:
    """Drop what would make the state or configuration folder writable, or show it elsewhere; not private folders."""
    folders = protected_places(request)
    findings = []
    for candidate in candidates:
        proposal = candidate.proposal
        if candidate.status != "planned" or proposal.private:
            continue
        writes = candidate.writes
        touched = touches(candidate.place, folders) if writes else None
        if touched is None and candidate.source:
            # Shown elsewhere it would escape what hides these folders. What openshell is made of may be read.
            hidden = [folder for folder in folders if writes or folder[1] != "program"]
            touched = touches(candidate.source, hidden)
        if touched is not None:
            what = "writable" if writes else "visible"
            message = f"{proposal.path} would make openshell's {touched[1]} folder {touched[0]} {what}"
            candidate.skip(message)
            hint = "keep the state and configuration folders elsewhere ($XDG_STATE_HOME, $XDG_CONFIG_HOME)"
            text = f"{origin_of(proposal)} is dropped: {message}"
            findings.append(Finding("baseline.protected-folder", "Medium", text, hint, candidate.id))
    return findings


def _cover(candidates: list[Candidate], declared: list[Placed]) -> None:
    """Mark a baseline ``covered`` by a grant on the same path or an enclosing folder that gives all its rights.

    The order is strict (outer before inner, declared before baseline, more rights before fewer, earlier before
    later), so a grant that covers is never covered itself. Declared grants always keep a rule of their own. A private
    folder hides what the host has at its path, so it says nothing about the host's files, nor they about it. What a
    contributor gives covers nothing: no baseline is to depend on a third party.
    """
    planned = [candidate for candidate in candidates if candidate.status == "planned"]
    givers: dict[tuple[bool, str], list[tuple[frozenset[str], str, bool]]] = {}
    for item in declared:
        if item.grant.status == "planned":
            giver = (frozenset(item.grant.access), item.grant.id, item.is_dir)
            givers.setdefault((False, item.place), []).append(giver)
    for candidate in sorted(planned, key=lambda one: -len(one.access)):
        if candidate.proposal.kind == "contributor":
            continue
        key = (candidate.proposal.private, candidate.place)
        givers.setdefault(key, []).append((candidate.access, candidate.id, candidate.is_dir))
    for candidate in planned:
        for folder in reversed(list(upward(candidate.place))):
            key = (candidate.proposal.private, folder)
            by = next((one for one in givers.get(key, ()) if candidate.access <= one[0]), None)
            if by is None or by[1] == candidate.id or not (by[2] or folder == candidate.place):
                continue
            candidate.status = "covered"
            candidate.detail = Detail(covered_by=by[1], message="another grant gives it already")
            break
