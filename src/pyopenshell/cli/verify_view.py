"""``openshell sandbox verify`` as text: expected beside observed, grant by grant."""

from __future__ import annotations

from errno import errorcode
from typing import TYPE_CHECKING

from pyopenshell.cli import output
from pyopenshell.verify.attempt import ALLOWED, DENIED, SYSTEM_CALLS
from pyopenshell.verify.judge import DRIFT, NOT_TELLING, RESULTS, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Sequence

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

MANY = 3


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
    output.line()
    output.line("same: as expected. not telling: something else decided before the sandbox could, mostly file modes.")


def _kind(one: Judged) -> str:
    """Return the row that an attempt belongs to: its subject; for system calls, the answer that is expected."""
    tried = one.attempt
    if tried.group != SYSTEM_CALLS:
        return tried.subject
    return f"refused: {errorcode[tried.exact]}" if tried.exact else "allowed"


def _result(found: Sequence[Judged]) -> str:
    worst = max((one.result for one in found), key=RESULTS.index)
    if worst in (DRIFT, UNKNOWN):
        return worst
    return "ok" if any(one.result != NOT_TELLING for one in found) else NOT_TELLING


def _expected(found: Sequence[Judged]) -> str:
    words = list(dict.fromkeys(one.attempt.words for one in found if one.attempt.words))
    if found[0].attempt.group == SYSTEM_CALLS:
        return ", ".join(one.attempt.subject for one in found)
    return "; ".join(words) or "; ".join(
        f"{word}: {_verbs(some)}"
        for word in (ALLOWED, DENIED)
        if (some := [one for one in found if one.attempt.expected == word])
    )


def _observed(found: Sequence[Judged]) -> str:
    """Return ``same``, with the errors that denials were, and what came out otherwise or told nothing."""
    parts = []
    for result in (DRIFT, UNKNOWN, NOT_TELLING):
        some = [one for one in found if one.result == result]
        if some:
            parts.append(f"{result.upper() if result == DRIFT else result}: {_verbs(some)}")
    if any(one.result in (ALLOWED, DENIED) for one in found):
        answers = [one.observed for one in found if one.result == DENIED and not one.attempt.words]
        told = [f"{text} ×{n}" if (n := answers.count(text)) > 1 else text for text in dict.fromkeys(answers)]
        same = "the rest same" if parts else "same"
        parts.append(f"{same} ({', '.join(told)})" if told else same)
    return "; ".join(parts)


def _verbs(found: Sequence[Judged]) -> str:
    """Return what was tried, each verb once with how often; the many ways of making something are one."""
    verbs = [one.attempt.target if one.attempt.group == SYSTEM_CALLS else one.attempt.what for one in found]
    if sum(verb.startswith("make ") for verb in verbs) > MANY:
        verbs = ["make" if verb.startswith("make ") else verb for verb in verbs]
    return ", ".join(verb if (n := verbs.count(verb)) == 1 else f"{verb} ×{n}" for verb in dict.fromkeys(verbs))
