"""YAML text as a tree in which every node knows its line and column.

Built from parser events only: composing and constructing YAML is what makes it dangerous (recursion in C on
deep nesting, objects from tags, aliases that multiply). Types are those of YAML 1.2's core schema, narrowed:
``true``, ``false``, decimal integers, ``null``; all else, ``no`` and ``on`` too, is text.
"""

from __future__ import annotations

from pyopenshell.policy.problems import Problems, show
from pyopenshell.policy.text import describe, refused
from pyopenshell.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Event = Any
    """An event of PyYAML, of either of its parsers."""

MAX_DEPTH = 32
"""Levels of nesting; a policy needs ten."""
MAX_NODES = 50_000
"""Keys and values of a document: a bound on the work that a hostile one can cause."""

_WORDS = {
    "true": (True, "boolean"),
    "false": (False, "boolean"),
    "null": (None, "null"),
    "~": (None, "null"),
    "": (None, "null"),
}


class Node(Record):
    """A value in the file. ``line`` and ``column`` count from 1.

    ``kind`` is ``string``, ``integer``, ``boolean``, ``null``, ``sequence`` (a tuple of nodes), ``mapping`` (a
    dict of nodes) or ``invalid``: a mistake already noted. ``key`` is the node of the key it stands under.
    """

    value: Any
    line: int
    column: int
    kind: str
    key: Node | None = None


def parse(text: str, problems: Problems) -> Node | None:
    """Return the root of the document, or None where there is none; what is wrong is added to ``problems``."""
    import yaml

    builder = _Builder(problems)
    try:
        for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            if not builder.take(event, type(event).__name__):
                return None
    except yaml.YAMLError as error:
        from pyopenshell.policy.syntax import explain

        explain(error, text, builder.innermost, problems)
        return None
    return builder.root


def plain(node: Node) -> Any:
    """Return the document as plain dicts, lists and scalars, in the order written."""
    if node.kind == "mapping":
        return {name: plain(child) for name, child in node.value.items()}
    if node.kind == "sequence":
        return [plain(child) for child in node.value]
    return node.value


class Open:
    """A collection whose end has not come yet. ``key`` is the key read last, still without its value."""

    def __init__(self, kind: str, line: int, column: int) -> None:
        self.kind, self.line, self.column = kind, line, column
        self.children: list[Node] = []
        self.entries: dict[str, Node] = {}
        self.key: Node | None = None

    def close(self) -> Node:
        """Return the finished node."""
        value = self.entries if self.kind == "mapping" else tuple(self.children)
        return Node(value, self.line, self.column, self.kind)


class _Builder:
    """Turns events into nodes, without recursion."""

    def __init__(self, problems: Problems) -> None:
        self.problems = problems
        self.root: Node | None = None
        self.stack: list[Open] = []
        self.documents = 0
        self.nodes = 0

    @property
    def innermost(self) -> Open | None:
        """The collection that is being read."""
        return self.stack[-1] if self.stack else None

    def take(self, event: Event, name: str) -> bool:
        """Take one event; return False when reading on is pointless."""
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        if self.nodes > MAX_NODES:
            self.problems.add(f"more than {MAX_NODES:,} keys and values", line, column, hint="is this a policy?")
            return False
        if name == "ScalarEvent":
            self.refuse_properties(event, line, column)
            self.place(self.scalar(event, line, column))
        elif name in ("MappingStartEvent", "SequenceStartEvent"):
            self.refuse_properties(event, line, column)
            if len(self.stack) == MAX_DEPTH:
                self.problems.add(f"nested deeper than {MAX_DEPTH} levels", line, column)
                return False
            self.stack.append(Open(name[:-10].lower(), line, column))
        elif name in ("MappingEndEvent", "SequenceEndEvent"):
            self.place(self.stack.pop().close())
        elif name == "AliasEvent":
            hint = "write the value out: aliases can multiply and hide what a policy grants"
            self.problems.add(f"alias {show('*' + event.anchor)} is not allowed", line, column, hint=hint)
            self.place(Node(None, line, column, "invalid"))
        elif name == "DocumentStartEvent":
            return self.start_document(event, line, column)
        return True

    def start_document(self, event: Event, line: int, column: int) -> bool:
        """Refuse directives, and any document but the first."""
        if event.version or event.tags:
            hint = "remove the line; policies are read by fixed rules"
            self.problems.add("YAML directives (%) are not allowed", line, column, hint=hint)
        self.documents += 1
        if self.documents > 1:
            self.problems.add(
                "a second document starts here", line, column, hint="a policy is one document: remove '---'"
            )
        return self.documents == 1

    def refuse_properties(self, event: Event, line: int, column: int) -> None:
        """Note tags and anchors."""
        if event.tag:
            hint = "remove it; quote the value if it must be text"
            self.problems.add(f"tag {show(event.tag)} is not allowed", line, column, hint=hint)
        if event.anchor:
            hint = "remove it and write the value out where it is needed"
            self.problems.add(f"anchor {show('&' + event.anchor)} is not allowed", line, column, hint=hint)

    def scalar(self, event: Event, line: int, column: int) -> Node:
        """Return the node of a scalar, typed."""
        text: str = event.value
        if not text.isprintable():
            for character in text:
                if refused(character):
                    self.problems.add(f"{describe(character)} in a value", line, column, hint="policies are plain text")
                    return Node(None, line, column, "invalid")
        if event.style:
            return Node(text, line, column, "string")
        if text in _WORDS:
            value, kind = _WORDS[text]
            return Node(value, line, column, kind)
        if _is_integer(text):
            return Node(int(text), line, column, "integer")
        return Node(text, line, column, "string")

    def place(self, node: Node) -> None:
        """Put a finished node where it belongs."""
        self.nodes += 1
        if not self.stack:
            self.root = node
            return
        parent = self.stack[-1]
        if parent.kind == "sequence":
            parent.children.append(node)
        elif parent.key is None:
            parent.key = self.as_key(node)
        else:
            key, parent.key = parent.key, None
            if key.kind == "invalid":
                return
            if key.value in parent.entries:
                first = parent.entries[key.value].key or key
                message = f"duplicate key {show(key.value)}: it is already on line {first.line}"
                self.problems.add(message, key.line, key.column, hint="keep one of them")
            else:
                parent.entries[key.value] = Node(node.value, node.line, node.column, node.kind, key)

    def as_key(self, node: Node) -> Node:
        """Return a key as text; a list, a mapping or a null as a key is a mistake."""
        if node.kind in ("string", "integer", "boolean"):
            text = node.value if node.kind == "string" else str(node.value).lower()
            return Node(text, node.line, node.column, "string")
        if node.kind != "invalid":
            self.problems.add("a key must be plain text", node.line, node.column)
        return Node(None, node.line, node.column, "invalid")


def _is_integer(text: str) -> bool:
    """Return whether plain ``text`` is a decimal integer. ``010`` is not: YAML 1.1 and 1.2 disagree on it."""
    digits = text.removeprefix("-")
    return digits.isdigit() and digits.isascii() and len(digits) <= 18 and (digits[0] != "0" or text == "0")
