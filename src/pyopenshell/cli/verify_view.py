"""``openshell sandbox verify`` as text: expected beside observed, grant by grant."""

from __future__ import annotations

from errno import errorcode
from typing import TYPE_CHECKING

from pyopenshell.cli import output
from pyopenshell.verify.attempt import ALLOWED, DENIED, SYSTEM_CALLS
from pyopenshell.verify.judge import DRIFT, NOT_TELLING, RESULTS, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from pyopenshell.verify.judge import Judged, Verification

HEADS = {
    "grants": "Grants: what each gives, and one step wider",
    "outside of the grants": "Files that no grant gives",
    "devices": "Devices that no grant gives",
    "thread names": "Thread names, and what else of procfs could be written",
    "other processes": "Other processes",
    "sockets": "Sockets",
    "system calls": "The syscall filter, one harmless call for each row",
    "identity and namespaces": "Identity and namespaces",
}

SHORT = {
    "open for reading": "read",
    "open for both": "write",
    "make and write": "write",
    "truncate": "empty",
    "rename": "move",
    "move to another folder": "move",
    "remove a file": "remove",
    "remove a folder": "remove",
    "make a file": "make",
    "make a folder": "make",
    "make a link": "make",
    "make a pipe": "make",
    "make a socket": "make",
    "make a character device": "make devices",
    "make a block device": "make devices",
}
"""Verbs as the table has them; ``-o json`` says each."""


def show(verification: Verification) -> None:
    """Print a verification: its verdict, each drift, then one row for each thing that was tried."""
    output.title(f"Sandbox {verification.name}: {verification.verdict}", first=True)
    output.line(f"  {verification.summary}")
    if verification.drift:
        output.title("Drift: otherwise than reported")
        for one in verification.drift:
            output.paragraph(one.sentence(), indent=2, mark="High")
    for group, head in HEADS.items():
        found = [one for one in verification.judged if one.attempt.group == group]
        if found:
            output.title(head)
            kinds: dict[str, list[Judged]] = {}
            for one in found:
                kinds.setdefault(_kind(one), []).append(one)
            rows = [[kind, _result(some), _expected(some), _observed(some)] for kind, some in kinds.items()]
            output.table(("what", "result", "expected", "observed"), rows, indent=2)
    if verification.left_behind:
        output.title("Left behind: made to try, and kept from being removed again")
        for path in verification.left_behind:
            output.paragraph(path, indent=2)
    output.line()
    output.line("not telling: something else decided before the sandbox could, mostly file modes. -o json lists all.")


def show_shape(shape: dict[str, Any]) -> None:
    """Print a verification that another machine made: its verdict, the counts, each drift; ``-o json`` has all."""
    output.title(f"Sandbox {shape['sandbox']['name']}: {shape['verdict']}", first=True)
    output.line("  " + ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in shape["counts"].items()))
    for finding in shape["findings"]:
        output.paragraph(finding["message"], indent=2, mark=finding["severity"])
    output.line()
    output.line("-o json lists all that was tried.")


def _kind(one: Judged) -> str:
    """Return the row that an attempt belongs to: its subject; for system calls, the answer that is expected."""
    tried = one.attempt
    if tried.group != SYSTEM_CALLS:
        return tried.subject
    return f"rows that answer {errorcode[tried.exact]}" if tried.exact else "rows that allow"


def _result(found: Sequence[Judged]) -> str:
    worst = max((one.result for one in found), key=RESULTS.index)
    if worst in (DRIFT, UNKNOWN):
        return worst
    return "ok" if any(one.result != NOT_TELLING for one in found) else NOT_TELLING


def _expected(found: Sequence[Judged]) -> str:
    """Return what may be done and, after ``not``, what must be denied; or what must be so, in its own words."""
    words = list(dict.fromkeys(one.attempt.words for one in found if one.attempt.words))
    if words:
        return "; ".join(words)
    may = _verbs([one for one in found if one.attempt.expected == ALLOWED])
    must_not = _verbs([one for one in found if one.attempt.expected == DENIED])
    return "; ".join(part for part in (may, must_not and f"not {must_not}") if part)


def _observed(found: Sequence[Judged]) -> str:
    """Return ``same``, or what came out otherwise or told nothing, and how many did as expected."""
    same = sum(one.result in (ALLOWED, DENIED) for one in found)
    if same == len(found):
        return "same"
    parts = []
    for result in (DRIFT, UNKNOWN, NOT_TELLING):
        some = [one for one in found if one.result == result]
        if some:
            parts.append(f"{result.upper() if result == DRIFT else result}: {_verbs(some)}")
    return "; ".join([*parts, *([f"{same} of {len(found)} same"] if same else [])])


def _verbs(found: Sequence[Judged]) -> str:
    """Return what was tried in short, each once."""
    return ", ".join(dict.fromkeys(SHORT.get(one.attempt.what, one.attempt.what) for one in found))
