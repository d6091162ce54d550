"""The text of a spec, YAML or JSON, as a tree in which every value knows its line and column.

Built from parser events only, as policies are (``policy.document``), and for the same reasons. It differs where engines
do: a spec may have anchors, aliases and merge keys, and its plain values are typed by YAML 1.1 (``0666`` is octal,
``yes`` is true). JSON is read by the same parser, as engines do: it is YAML.
"""

from __future__ import annotations

from pyopenshell.devices.cdi.names import show
from pyopenshell.policy.problems import Problems
from pyopenshell.policy.text import decode, describe, refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Event = Any
    """An event of PyYAML, of either of its parsers."""
    Note = Callable[..., None]
    """Takes a code, a message, a mend (or None), line and column."""

MAX_DEPTH = 32
"""Levels of nesting; a spec needs eight."""
MAX_NODES = 2_000_000
"""Values of a document, those that aliases repeat counted each time. A GPU is about a hundred."""
STR_TAG = "tag:yaml.org,2002:str"
_BOOLEANS = {"yes": True, "true": True, "on": True, "y": True, "no": False, "false": False, "off": False, "n": False}
_NULLS = ("", "~", "null", "Null", "NULL")
_START = frozenset("0123456789+-.")
_BASES = {"0b": 2, "0o": 8, "0x": 16}


class Node:
    """A value. ``line`` and ``column`` count from 1; ``key`` is the place of the key it stands under, else its own.

    ``kind`` is ``string``, ``integer``, ``number`` (not a whole one: ``value`` is its text), ``boolean``, ``null``,
    ``sequence`` (a list of nodes), ``mapping`` (a dict of nodes) or ``invalid``: a fault already noted. ``text`` is a
    scalar as it is written. ``size`` counts the values beneath, and itself.
    """

    __slots__ = ("column", "key", "kind", "line", "size", "text", "value")

    def __init__(self, kind: str, value: Any, line: int, column: int, text: str = "", *, size: int = 1) -> None:
        """Keep the value and its place."""
        self.kind, self.value, self.text, self.size = kind, value, text, size
        self.line, self.column = line, column
        self.key = (line, column)


def parse(data: bytes, note: Note) -> Node | None:
    """Return the root of the first document, or None where there is none or the text cannot be read to its end."""
    problems = Problems()
    text = decode(data, problems)
    if text is None:
        _pass_on(problems, "not-text", note)
        return None
    import yaml

    builder = _Builder(note)
    try:
        for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            if not builder.take(event, type(event).__name__):
                break
    except yaml.YAMLError as error:
        from pyopenshell.policy.syntax import explain

        explain(error, text, builder.innermost, problems)
        _pass_on(problems, "syntax", note)
        return None
    return builder.root


def _pass_on(problems: Problems, code: str, note: Note) -> None:
    for problem in problems.error(None).problems:
        note(code, problem.message, problem.hint, problem.line, problem.column)


class _Open:
    """A collection whose end has not come yet."""

    __slots__ = ("anchor", "children", "column", "entries", "key", "kind", "line", "merges", "size")

    def __init__(self, kind: str, line: int, column: int, anchor: str | None) -> None:
        self.kind, self.line, self.column, self.anchor = kind, line, column, anchor
        self.children: list[Node] = []
        self.entries: dict[str, Node] = {}
        self.merges: list[Node] = []
        self.key: Node | None = None
        self.size = 1

    def close(self) -> Node:
        """Return the finished node."""
        if self.kind == "sequence":
            return Node("sequence", self.children, self.line, self.column, size=self.size)
        for merged in self.merges:
            for name, child in merged.value.items():
                self.entries.setdefault(name, child)
        return Node("mapping", self.entries, self.line, self.column, size=self.size)


class _Builder:
    """Turns events into nodes, without recursion."""

    def __init__(self, note: Note) -> None:
        self.note = note
        self.root: Node | None = None
        self.stack: list[_Open] = []
        self.anchors: dict[str, Node] = {}
        self.documents = 0

    @property
    def innermost(self) -> Any:
        """The collection that is being read."""
        return self.stack[-1] if self.stack else None

    def take(self, event: Event, name: str) -> bool:
        """Take one event; return False when reading on is pointless."""
        if name == "ScalarEvent":
            mark = event.start_mark
            node = self.scalar(event, mark.line + 1, mark.column + 1)
            if event.anchor:
                self.anchors[event.anchor] = node
            return self.place(node)
        if name in ("MappingEndEvent", "SequenceEndEvent"):
            opened = self.stack.pop()
            node = opened.close()
            if opened.anchor:
                self.anchors[opened.anchor] = node
            return self.place(node)
        if name in ("MappingStartEvent", "SequenceStartEvent"):
            return self.open(event, name[:-10].lower())
        if name == "AliasEvent":
            return self.alias(event)
        if name == "DocumentStartEvent":
            return self.start_document(event)
        return True

    def start_document(self, event: Event) -> bool:
        """Read the first document alone, as engines do."""
        self.documents += 1
        if self.documents > 1:
            mark = event.start_mark
            message = "a second document starts here: engines read only the first"
            self.note("several-documents", message, None, mark.line + 1, mark.column + 1)
        return self.documents == 1

    def open(self, event: Event, kind: str) -> bool:
        """Begin a collection."""
        mark = event.start_mark
        line, column = mark.line + 1, mark.column + 1
        if event.tag:
            self.refuse_tag(event.tag, line, column)
        if len(self.stack) == MAX_DEPTH:
            self.note("too-deep", f"nested deeper than {MAX_DEPTH} levels", None, line, column)
            return False
        self.stack.append(_Open(kind, line, column, event.anchor))
        return True

    def alias(self, event: Event) -> bool:
        """Put a copy of what an anchor names; its parts are shared, and counted once more."""
        mark = event.start_mark
        line, column = mark.line + 1, mark.column + 1
        named = self.anchors.get(event.anchor)
        if named is None:
            inside = any(opened.anchor == event.anchor for opened in self.stack)
            message = "is inside of what it names" if inside else "names no anchor above it"
            self.note("alias", f"alias {show('*' + event.anchor)} {message}", None, line, column)
            return self.place(Node("invalid", None, line, column))
        return self.place(Node(named.kind, named.value, line, column, named.text, size=named.size))

    def refuse_tag(self, tag: str, line: int, column: int) -> None:
        """Note a tag."""
        self.note("tag", f"tag {show(tag)} in a spec", "remove it; quote the value if it must be text", line, column)

    def scalar(self, event: Event, line: int, column: int) -> Node:
        """Return the node of a scalar, typed."""
        text: str = event.value
        if not text.isprintable():
            for character in text:
                if refused(character) and character not in "\t\n":
                    self.note("not-text", f"{describe(character)} in a value", "remove it", line, column)
                    return Node("invalid", None, line, column)
        if event.tag and event.tag not in ("!", STR_TAG):
            self.refuse_tag(event.tag, line, column)
        if event.style or event.tag:
            return Node("string", text, line, column, text)
        return Node(*_plain(text), line, column, text)

    def place(self, node: Node) -> bool:
        """Put a finished node where it belongs; return False where that makes too many."""
        if not self.stack:
            self.root = node
            return True
        parent = self.stack[-1]
        parent.size += node.size
        if parent.size > MAX_NODES:
            message = f"more than {MAX_NODES:,} values, what aliases repeat among them"
            self.note("too-large", message, None, node.line, node.column)
            return False
        if parent.kind == "sequence":
            parent.children.append(node)
        elif parent.key is None:
            parent.key = node
        else:
            key, parent.key = parent.key, None
            self.enter(parent, key, node)
        return True

    def enter(self, parent: _Open, key: Node, node: Node) -> None:
        """Put a value under its key."""
        node.key = (key.line, key.column)
        if key.kind in ("mapping", "sequence", "null"):
            self.note("wrong-type", "a key must be plain text", None, key.line, key.column)
        elif key.text == "<<":
            self.merge(parent, node)
        elif key.kind != "invalid":
            first = parent.entries.get(key.text)
            if first is None:
                parent.entries[key.text] = node
            else:
                message = f"duplicate key {show(key.text)}: it is already on line {first.key[0]}"
                self.note("duplicate-key", message, None, key.line, key.column)

    def merge(self, parent: _Open, node: Node) -> None:
        """Keep what ``<<`` adds: a mapping, or a list of mappings, the first of which decides."""
        parts = node.value if node.kind == "sequence" else [node]
        if all(part.kind == "mapping" for part in parts):
            parent.merges += parts
        else:
            self.note("wrong-type", "'<<' takes mappings", None, node.line, node.column)


def _plain(text: str) -> tuple[str, Any]:
    """Return kind and value of a scalar without quotes, by the rules of YAML 1.1 as Go's parser has them."""
    if text[:1] not in _START:
        word = text.lower()
        if word in _BOOLEANS and text in (word, word.capitalize(), word.upper()):
            return "boolean", _BOOLEANS[word]
        if text in _NULLS:
            return "null", None
        return "string", text
    number = _integer(text.replace("_", ""))
    if number is not None:
        return "integer", number
    try:
        float(text.replace("_", ""))
    except ValueError:
        return "string", text
    return "number", text


def _integer(text: str) -> int | None:
    """Return the integer that plain ``text`` is, None where it is none or is longer than 64 bits."""
    sign, digits = (-1, text[1:]) if text[0] == "-" else (1, text.removeprefix("+"))
    base = _BASES.get(digits[:2], 8 if len(digits) > 1 and digits[0] == "0" else 10)
    body = digits[2:] if digits[:2] in _BASES else digits
    if not (body.isascii() and body.isalnum()) or len(body) > 64:
        return None
    try:
        number = sign * int(body, base)
    except ValueError:
        return None
    return number if -(1 << 63) <= number < 1 << 64 else None
