"""What the process of a contributor said, read as the lines of JSON that they should be. Pure.

It is not to be trusted: an answer may be anything, of any shape and with anything in its texts.
"""

from __future__ import annotations

from _json import make_scanner

from pyopenshell.errors import ContributorError
from pyopenshell.policy.problems import show
from pyopenshell.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from pyopenshell.policy.model import NamedContributor

SCHEMA = "pyopenshell.contributor/1"
GROUP = "pyopenshell.contributors"
"""The group of entry points."""
MOST_BYTES = 1 << 20
"""Bytes of an answer."""
LONGEST = 500
"""Characters of a text that are shown."""
WITHOUT = "take it out of runtime.contributors to go without it"


class Ended(Record):
    """How a contributor's process ended.

    ``words`` are its answers, ``told`` the end of what it printed. ``failed`` is (step, errno) where it could not even
    be started; ``code`` its exit code, -n after signal n; ``late`` says that it had to be killed.
    """

    words: bytes = b""
    told: bytes = b""
    failed: tuple[str, int] | None = None
    code: int = 0
    late: bool = False


class Case(Record):
    """Who is asked: the name in the policy ``file``, by ``uid``, with the interpreter ``python``, for ``seconds``."""

    named: NamedContributor
    file: str | None
    uid: int
    python: str
    seconds: float

    def error(self, code: str, message: str, hint: str | None = WITHOUT) -> ContributorError:
        """Return an error with the place of the name in the policy."""
        return ContributorError(
            f"contributor {self.named.name} {message}",
            hint=hint,
            code=code,
            file=self.file,
            line=self.named.line or None,
            column=self.named.column or None,
        )


def nonsense(case: Case, what: str) -> ContributorError:
    """Return the error for an answer that is none."""
    hint = "its authors must mend it; docs/contributors.md says what may be answered"
    return case.error("contributor.nonsense", f"answered nonsense: {what}", hint)


def document(case: Case, line: bytes) -> dict[str, Any]:
    """Return the JSON object on a line. Anything else, and another schema, is nonsense."""
    try:
        words = _json(line.decode().strip())
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError too
        raise nonsense(case, f"no JSON ({error})") from error
    if not isinstance(words, dict):
        raise nonsense(case, "no JSON object")
    if words.get("schema") != SCHEMA:
        raise nonsense(case, f"its schema is {shown(words.get('schema'))}, not {SCHEMA}")
    return words


class _Context:
    """How ``json.decoder.JSONDecoder`` sets up the scanner (that module would import ``re``)."""

    strict = True
    object_hook = object_pairs_hook = None
    parse_float, parse_int = float, int
    memo: dict[str, str] = {}  # noqa: RUF012 - as the scanner wants it

    @staticmethod
    def parse_constant(name: str) -> NoReturn:
        """Refuse NaN and the infinities, which are no JSON."""
        raise ValueError(f"{name} is no JSON")


def _json(line: str) -> Any:
    """Return a JSON value. Raises ValueError and RecursionError."""
    try:
        value, end = make_scanner(_Context)(line, 0)  # type: ignore[arg-type]  # it wants any object with these attributes
    except StopIteration as stopped:
        raise ValueError(f"a value is missing at character {stopped.value}") from None
    if end != len(line):
        raise ValueError(f"there is more at character {end}")
    return value


def word(told: Any) -> str:
    """Return a text as one line that is not long and steers no terminal; anything else as Python writes it."""
    text = " ".join(told.split()) if isinstance(told, str) else repr(told)
    return "".join(one if one.isprintable() else " " for one in text[:LONGEST])


def shown(value: Any) -> str:
    """Return a value quoted, to be named in a message."""
    return show(value if isinstance(value, str) else repr(value))
