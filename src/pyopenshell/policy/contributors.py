"""``runtime.contributors``: the names of third parties that may say what their runtime needs (docs/contributors.md)."""

from __future__ import annotations

from pyopenshell.policy.check import items, value
from pyopenshell.policy.model import MAX_CONTRIBUTORS, NamedContributor
from pyopenshell.policy.problems import show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyopenshell.policy.document import Node
    from pyopenshell.policy.problems import Problems

KEY = "runtime.contributors"
MAX_NAME = 64
"""Characters of a name."""
PATTERN = rf"^[a-z0-9][a-z0-9._-]{{0,{MAX_NAME - 1}}}$"
"""What ``check_name`` lets pass, for the JSON Schema."""

_FIRST = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
_LETTERS = _FIRST | frozenset("._-")


def check_name(text: str) -> tuple[str, str | None] | None:
    """Return what is wrong with a contributor's name and what to do, or None."""
    if len(text) <= MAX_NAME and text[:1] in _FIRST and _LETTERS.issuperset(text):
        return None
    hint = f"a name has 1 to {MAX_NAME} of the characters a-z 0-9 . _ -, the first a letter or a digit"
    return f"expected the name of a contributor, found {show(text)}", hint


def build(section: Node | None, problems: Problems) -> tuple[NamedContributor, ...]:
    """Return the contributors that the section ``runtime`` names, in its order; note repeated ones, and too many."""
    nodes = value(section, "contributors", ())
    if len(nodes) > MAX_CONTRIBUTORS:
        first = nodes[MAX_CONTRIBUTORS]
        message = f"{len(nodes)} contributors are named; at most {MAX_CONTRIBUTORS} are allowed"
        problems.add(message, first.line, first.column, key=KEY)
    named: dict[str, NamedContributor] = {}
    for node in items(section, "contributors"):
        if node.value in named:
            message = f"{show(node.value)} is already named on line {named[node.value].line}"
            problems.add(message, node.line, node.column, key=KEY, hint="name it once")
        named.setdefault(node.value, NamedContributor(node.value, node.line, node.column))
    return tuple(named.values())
