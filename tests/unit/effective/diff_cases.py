"""Effective policies that differ in one thing, and what is said of two."""

from pyopenshell.effective.canonical import canonical
from pyopenshell.effective.diff import compare
from pyopenshell.effective.difference import LOOSER, OTHER, TIGHTER, Difference
from pyopenshell.effective.model import (
    Detail,
    Dropped,
    Grant,
    Isolation,
    LandlockReport,
    Origin,
    SeccompReport,
    grant_id,
)
from pyopenshell.effective.settle import Outcome, settle
from pyopenshell.landlock.downgrade import handled
from pyopenshell.policy.access import READ_ONLY, READ_WRITE
from tests.unit.effective.cases import ISOLATED, composed

MIRRORED = {LOOSER: TIGHTER, TIGHTER: LOOSER, OTHER: OTHER}
OPEN = Isolation("open", "none")
HIDDEN = Isolation("private", "mount namespace")
RULE = {"syscall": "ptrace", "when": "always", "action": "errno:EPERM", "reason": "So."}
SOMETIMES = {**RULE, "when": "the flags have X"}


def settled(**fields):
    """Compose, and let the kernel accept everything it handles."""
    plan = composed(**fields)
    rights = set(plan.landlock.handled)
    outcomes = {
        grant.id: Outcome(tuple(right for right in grant.access if right in rights))
        for grant in plan.grants
        if grant.status == "planned"
    }
    return settle(plan, outcomes)


BASE = settled(read_only=["/data/set"], read_write=["/home/me/project"])


def report(abi, *, tcp=False, **covered):
    """Return what Landlock handles at an ABI, and by what else its gaps are covered."""
    rights = handled(abi, tcp=tcp, udp=tcp)
    dropped = tuple(Dropped(gap.name, gap.abi, gap.consequence, covered.get(gap.name)) for gap in rights.dropped)
    return LandlockReport("best_effort", abi, (*rights.fs, *rights.net, *rights.scoped), dropped)


def declared(path, word="read_only", *, rights=None, status="enforced", resolved=None, **detail):
    """Return a declared grant as it came out."""
    access = READ_ONLY if word == "read_only" else READ_WRITE
    origin = Origin("declared", word, "p.yaml", 7)
    actual = () if status == "skipped" else access if rights is None else rights
    return Grant(
        grant_id(origin, path), path, resolved or path, access, origin, "declared", actual, "landlock", status,
        Detail(**detail),
    )  # fmt: skip


def with_grants(*grants, **fields):
    """Return a policy of just these grants."""
    return BASE.replace(grants=grants, **fields)


def abi(number, **covered):
    return BASE.replace(landlock=report(number, **covered))


def isolated(**kinds):
    return BASE.replace(isolation={**ISOLATED, **kinds})


def filtered(*rows, sha="1"):
    return BASE.replace(seccomp=SeccompReport(sha * 64, 9, rows))


def mirror(one):
    """Return what the difference is, seen from the other side."""
    return Difference(one.kind, one.subject, MIRRORED[one.direction], one.b, one.a, one.note)


def told(a, b):
    """Return the differences in short, after checking that the other way round they are the same, mirrored."""
    there, back = compare(a, b), compare(b, a)
    assert sorted(canonical(one.as_dict()) for one in there) == sorted(canonical(mirror(one).as_dict()) for one in back)
    return [(one.direction, one.kind, one.subject) for one in there]
