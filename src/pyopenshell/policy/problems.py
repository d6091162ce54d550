"""Collecting mistakes, and saying them so that a person can mend the file in one go."""

from __future__ import annotations

from pyopenshell.errors import PolicyError, Problem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_PROBLEMS = 100
"""Mistakes reported for one file; nobody reads more, and a hostile file could hold a million."""
SHOWN = 60
"""Characters of a wrong value that are repeated in a message."""


class Problems:
    """The mistakes of one policy, in the order in which they were found."""

    def __init__(self) -> None:
        """Start with none."""
        self._found: list[Problem] = []
        self._more = False

    def __len__(self) -> int:
        """Return how many mistakes are known."""
        return len(self._found)

    @property
    def full(self) -> bool:
        """Whether there are more mistakes than are reported: looking for others is pointless."""
        return self._more

    def add(self, message: str, line: int, column: int, *, key: str | None = None, hint: str | None = None) -> None:
        """Remember one mistake. ``key`` is the dotted path; the message is prefixed with it."""
        if len(self._found) == MAX_PROBLEMS:
            self._more = True
            return
        text = f"{key}: {message}" if key else message
        self._found.append(Problem(text, line, column, key or None, hint))

    def error(self, file: str | None) -> PolicyError:
        """Return the error that holds all mistakes, in file order. There must be one."""
        ordered = sorted(self._found, key=lambda problem: (problem.line or 0, problem.column or 0))
        if self._more:
            last = ordered[-1]
            ordered.append(Problem(f"more than {MAX_PROBLEMS} mistakes; the rest is not shown", last.line, last.column))
        return PolicyError(ordered, file=file)


def show(text: str) -> str:
    """Return ``text`` quoted for a message: cut to a readable length, unprintable characters escaped."""
    return repr(text if len(text) <= SHOWN else text[: SHOWN - 1] + "…")


def join(key: str, name: str) -> str:
    """Return the dotted path to ``name`` beneath ``key``, cut to a readable length."""
    name = name if name.isprintable() and len(name) <= SHOWN else show(name)
    return f"{key}.{name}" if key else name


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that was probably meant, or None.

    Near is: at most two typing mistakes (one in words of up to four letters, three from twelve letters), or a whole
    first part (``filesystem`` for ``filesystem_policy``).
    """
    if not word or len(word) > SHOWN:
        return None
    plain = word.lower().replace("-", "_")
    best, best_distance = None, 2 if len(word) <= 4 else 3 if len(word) < 12 else 4
    for candidate in known:
        target = candidate.lower().replace("-", "_")
        distance = _distance(plain, target)
        if len(plain) >= 4 and (target.startswith(plain) or plain.startswith(target + "_")):
            distance = min(distance, 1)
        if distance < best_distance:
            best, best_distance = candidate, distance
    return best


def _distance(left: str, right: str) -> int:
    """Return how many single-letter changes or swaps of neighbours turn ``left`` into ``right``."""
    before: list[int] = []
    previous = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        row = [i]
        for j, b in enumerate(right, 1):
            cost = min(previous[j] + 1, row[j - 1] + 1, previous[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, previous = previous, row
    return previous[-1]
