"""The syscall filters of two effective policies compared, row by row where they are known. Pure."""

from __future__ import annotations

from pyopenshell.effective.difference import LOOSER, OTHER, TIGHTER, Difference, changed, judge

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from pyopenshell.effective.model import SeccompReport

    Rows = dict[str, list[str]]


REPLACED = "Landlock itself restricts there what these rows stand in for."


def syscalls(
    a: SeccompReport, b: SeccompReport, handled_a: Collection[str], handled_b: Collection[str]
) -> Iterator[Difference]:
    """Compare the rows of the filters, in a few differences; their digests where the rows do not tell.

    A row that stands in for a right which the other side's Landlock handles makes neither looser nor tighter.
    """
    if a.sha256 == b.sha256 or not a.sha256 or not b.sha256:  # a plan has none yet
        return
    digests = {"sha256": a.sha256}, {"sha256": b.sha256}
    if a.rows is None or b.rows is None:
        note = "The file of one side has no rows: it cannot be told what differs."
        yield from changed("syscalls", "filter", digests, OTHER, note)
        return
    gone, new = _replaced(a.rows, handled_b), _replaced(b.rows, handled_a)
    if gone or new:
        rows = {"rows": [*map(_words, gone)]}, {"rows": [*map(_words, new)]}
        yield from changed("syscalls", "filter", rows, OTHER, REPLACED)
    groups = _groups([row for row in a.rows if row not in gone], [row for row in b.rows if row not in new])
    for direction, rows in groups.items():
        yield from changed("syscalls", "filter", rows, direction)
    if not (groups or gone or new):
        note = "The rows are the same: another architecture, or another version of openshell."
        yield from changed("syscalls", "filter", digests, OTHER, note)


def _replaced(rows: Iterable[dict[str, str]], handled: Collection[str]) -> list[dict[str, str]]:
    """Return the rows that refuse what the other side's Landlock does."""
    return [row for row in rows if row.get("instead_of") in handled and row.get("action", "").startswith("errno:")]


def _groups(a: Iterable[Mapping[str, str]], b: Iterable[Mapping[str, str]]) -> dict[str, tuple[Rows, Rows]]:
    """Return by direction the rows that only A has, and those that only B has."""
    one, other = _by_syscall(a), _by_syscall(b)
    groups: dict[str, tuple[Rows, Rows]] = {}
    for name in sorted({*one, *other}):
        before, after = one.get(name, {}), other.get(name, {})
        if before != after:
            gone, new = groups.setdefault(_direction(before, after), ({"rows": []}, {"rows": []}))
            gone["rows"] += [_row(name, when, action) for when, action in before.items() if after.get(when) != action]
            new["rows"] += [_row(name, when, action) for when, action in after.items() if before.get(when) != action]
    return groups


def _by_syscall(rows: Iterable[Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """Return the actions of each system call by their conditions."""
    found: dict[str, dict[str, str]] = {}
    for row in rows:
        found.setdefault(row.get("syscall", ""), {})[row.get("when", "")] = row.get("action", "")
    return found


def _direction(a: Mapping[str, str], b: Mapping[str, str]) -> str:
    """Judge one system call. Conditions are words: with one that went and one that came it cannot be known."""
    refused_a, refused_b = ({when for when, action in side.items() if action.startswith("errno:")} for side in (a, b))
    if ("always" in refused_a) != ("always" in refused_b):
        return TIGHTER if "always" in refused_b else LOOSER
    return judge(won=bool(refused_a - refused_b), lost=bool(refused_b - refused_a))


def _words(row: Mapping[str, str]) -> str:
    return _row(row.get("syscall", ""), row.get("when", ""), row.get("action", ""))


def _row(syscall: str, when: str, action: str) -> str:
    return f"{syscall} {action}" if when == "always" else f"{syscall} {action}, where {when}"
