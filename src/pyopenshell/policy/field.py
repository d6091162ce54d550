"""How the policy schema is written down: one value per key, read by the checker, the JSON Schema and the tests.

Documented keys, accepted keys and completed keys come from the same tables and so cannot drift apart.
"""

from __future__ import annotations

from pyopenshell.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class Field(Record):
    """One key of the schema, or one item of a list.

    ``kind`` is ``mapping`` (known keys: ``fields``), ``table`` (keys the operator chooses, values ``item``),
    ``list`` (of ``item``), ``text``, ``integer`` (from ``low`` to ``high``), ``boolean``, ``identity`` (a name or
    a number), ``matcher`` (a pattern, or ``{any: [patterns]}``). ``noun`` says in messages what is expected;
    ``check`` returns what is wrong with a text (of a table: with a key) and what to do about it. ``schema`` adds
    JSON Schema keywords. ``unsupported`` holds keys that are refused for a reason: message and hint.
    """

    kind: str
    doc: str
    noun: str | None = None
    required: bool = False
    default: object = None
    choices: tuple[str, ...] = ()
    low: int = 0
    high: int = 0
    fields: dict[str, Field] = {}  # noqa: RUF012  (defaults of a Record: shared, and never written to)
    item: Field | None = None
    check: Callable[[str], tuple[str, str | None] | None] | None = None
    schema: dict[str, Any] = {}  # noqa: RUF012
    unsupported: dict[str, tuple[str, str]] = {}  # noqa: RUF012

    @property
    def expected(self) -> str:
        """Return the words for what is expected here."""
        if self.choices:
            return "one of " + ", ".join(self.choices) if len(self.choices) > 1 else self.choices[0]
        if self.kind == "integer":
            return str(self.low) if self.low == self.high else f"a number from {self.low} to {self.high}"
        return self.noun or _NOUNS[self.kind]


_NOUNS = {
    "mapping": "a mapping",
    "table": "a mapping",
    "list": "a list",
    "text": "text",
    "boolean": "true or false",
    "identity": "a name or a number",
    "matcher": "a pattern, or {any: [patterns]}",
}
