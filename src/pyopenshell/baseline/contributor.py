"""What a contributor answered, as proposals or as an error that says who is to mend what. Pure.

Its process is not to be trusted: the answer may be anything, and of any shape. Which paths are granted is decided by
composition (``effective.contributed``); here an answer is held to the rules for paths that a policy is held to.
"""

from __future__ import annotations

import os

from pyopenshell.baseline.answer import LONGEST, MOST_BYTES, WITHOUT, Case, Ended, document, nonsense, shown, word
from pyopenshell.baseline.model import Proposal
from pyopenshell.policy import text
from pyopenshell.policy.access import READ_ONLY, READ_WRITE
from pyopenshell.policy.filesystem import check_path, normal
from pyopenshell.policy.problems import show
from pyopenshell.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from pyopenshell.errors import ContributorError

MOST_GRANTS = 64
"""Grants of one contributor."""
ACCESS = {"read_only": READ_ONLY, "read_write": tuple(right for right in READ_WRITE if right != "resolve_unix")}
"""What the words give. Programs that listen on sockets are no part of a runtime's files: the operator opens those."""


MOST_NAMES = 10
"""Names of others that are told."""


class Contribution(Record):
    """What one contributor is, and what it proposes. ``line`` is where the policy names it."""

    name: str
    distribution: str
    version: str
    entry_point: str
    file: str | None
    line: int | None
    proposals: tuple[Proposal, ...] = ()


def judge(case: Case, ended: Ended) -> Contribution:
    """Return what was contributed. Raises ContributorError: each code says who is to mend what."""
    if ended.failed:
        _not_started(case, *ended.failed)
    if len(ended.words) > MOST_BYTES:
        raise nonsense(case, f"its answer has more than {MOST_BYTES:,} bytes")
    first, _, rest = ended.words.partition(b"\n")
    if not first:
        raise _unfinished(case, ended, "")
    found = _found(case, document(case, first))
    who = f"({found.distribution} {found.version}) "
    if not rest or ended.late or ended.code:
        raise _unfinished(case, ended, who)
    return found.replace(proposals=_proposals(case, document(case, rest), who, found))


def look(case: Case, ended: Ended) -> Contribution:
    """Return what is installed under a name, from a process that only looked. Raises ContributorError as ``judge``."""
    if ended.failed:
        _not_started(case, *ended.failed)
    if ended.late or ended.code or not ended.words:
        raise _unfinished(case, ended, "")
    return _found(case, document(case, ended.words))


def _not_started(case: Case, step: str, number: int) -> NoReturn:
    """Raise the error for a process that never ran: mostly the identity may not go where openshell is installed."""
    why = os.strerror(number)
    if step in ("interpreter", "package"):
        what = f"execute {case.python}" if step == "interpreter" else "read openshell's own package"
        hint = (
            "install openshell where that user may read and execute it, not in a private home, or name someone who "
            "may in process.run_as_user"
        )
        message = f"cannot be asked: the sandbox's identity, uid {case.uid}, cannot {what}: {why}"
        raise case.error("contributor.identity", message, hint)
    raise case.error("contributor.not-started", f"cannot be asked: {step}: {why}", "'openshell doctor' says more")


def _found(case: Case, words: dict[str, Any]) -> Contribution:
    """Return the one distribution that offers the name, or raise that there is none, or are several."""
    try:
        found = [
            Contribution(
                name=case.named.name,
                distribution=word(one["distribution"]),
                version=word(one["version"]),
                entry_point=word(one["entry_point"]),
                file=case.file,
                line=case.named.line or None,
            )
            for one in words["found"]
        ]
        missing = [word(one) for one in words["names"]], [word(one) for one in words["unreadable"]]
    except (KeyError, TypeError) as error:
        raise nonsense(case, f"what is installed was not told as it should be ({error!r})") from error
    if not found:
        raise _missing(case, *missing)
    if len(found) > 1:
        offers = " and ".join(f"{one.distribution} {one.version} ({one.entry_point})" for one in found)
        hint = f"uninstall all but one; each is in the environment of {case.python}"
        raise case.error("contributor.ambiguous", f"is offered more than once: by {offers}", hint)
    return found[0]


def _missing(case: Case, names: list[str], unreadable: list[str]) -> ContributorError:
    from difflib import get_close_matches

    message = f"is not installed: no distribution in the environment of {case.python} offers this name"
    hint = f"install one that does ({case.python} -m pip install …); {WITHOUT}"
    if unreadable:
        message += f" to uid {case.uid}, which cannot read {', '.join(unreadable[:3])}"
        hint = "make what is installed readable for that user (chmod -R go+rX), or install what offers the name"
    elif near := get_close_matches(case.named.name, names):
        hint = f"did you mean {' or '.join(near)}?"
    elif names:
        more = f" and {len(names) - MOST_NAMES} others" if len(names) > MOST_NAMES else ""
        hint = f"installed are {', '.join(names[:MOST_NAMES])}{more}; {hint}"
    return case.error("contributor.missing", message, hint)


def _unfinished(case: Case, ended: Ended, who: str) -> ContributorError:
    """Return the error for a process that hung, died, or ended without an answer."""
    last = ended.told.decode("utf-8", "replace").strip().splitlines()[-1:]
    hint = f"its last words: {word(last[0])}; {WITHOUT}" if last else WITHOUT
    if ended.late:
        message = f"{who}did not answer within {case.seconds:g} seconds, and was killed"
        return case.error("contributor.timeout", message, hint)
    how = f"exit code {ended.code}"
    if ended.code < 0:
        from pyopenshell.kernel import signals

        how = f"killed by {signals.name(-ended.code)}"
    return case.error("contributor.crashed", f"{who}ended without an answer: {how}", hint)


def _proposals(case: Case, words: dict[str, Any], who: str, found: Contribution) -> tuple[Proposal, ...]:
    """Return the grants of an answer. Raises ContributorError for an answer that is none, or not to be granted."""
    if isinstance(told := words.get("refusal"), str):
        raise case.error("contributor.refused", f"{who}refuses: {word(told) or 'it does not say why'}")
    if isinstance(told := words.get("crash"), dict):
        place = f" ({word(told['where'])})" if told.get("where") else ""
        doing = "could not be imported" if told.get("doing") == "imported" else "crashed"
        raise case.error("contributor.crashed", f"{who}{doing}: {word(told.get('what', ''))}{place}")
    if "nonsense" in words:
        raise nonsense(case, word(words["nonsense"]))
    grants = words.get("grants")
    if not isinstance(grants, list):
        raise nonsense(case, "no list of grants")
    if len(grants) > MOST_GRANTS:
        raise nonsense(case, f"more than {MOST_GRANTS} grants")
    proposals: dict[tuple[str, str], Proposal] = {}
    for one in grants:
        proposal, access = _proposal(case, one, found)
        proposals.setdefault((proposal.path, access), proposal)  # the same asked twice is one grant
    return tuple(proposals.values())


def _proposal(case: Case, one: Any, found: Contribution) -> tuple[Proposal, str]:
    if not isinstance(one, dict) or set(one) != {"path", "access", "reason"}:
        raise nonsense(case, f"a grant has path, access and reason, not {shown(one)}")
    path, access, reason = one["path"], one["access"], one["reason"]
    if not isinstance(access, str) or access not in ACCESS:
        raise nonsense(case, f"access is {shown(access)}, not {' or '.join(ACCESS)}")
    if not isinstance(path, str) or not isinstance(reason, str):
        raise nonsense(case, f"path and reason are text, not {shown(one)}")
    wrong = _wrong_path(path)
    if wrong:
        raise case.error("contributor.path", f"asks for what no policy may declare: {wrong}")
    if not reason.strip() or len(reason) > LONGEST:
        raise nonsense(case, f"the reason for {path} has {len(reason.strip())} characters, not 1 to {LONGEST}")
    name, file, line = case.named.name, found.file, found.line
    return Proposal(name, normal(path), ACCESS[access], word(reason), kind="contributor", file=file, line=line), access


def _wrong_path(path: str) -> str | None:
    """Return what is wrong with a path, by the rules for declared ones; the whole file system is nobody's need."""
    unreadable = next((character for character in path if text.refused(character)), None)
    if unreadable is not None:
        return f"{text.describe(unreadable)} in {show(path)}"
    wrong = check_path(path)
    if wrong:
        return wrong[0]
    return "'/', which is everything" if normal(path) == "/" else None
