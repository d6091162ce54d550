"""The fields of a spec's parts: strict names, typed values, each mistake noted at its place.

An unknown name is a fault, as it is for engines. They compare names without regard to capitals (Go's encoding/json), so
a name in other capitals is taken, with a warning. ``null`` is as good as absent, for the same reason.
"""

from __future__ import annotations

from pyopenshell.devices.cdi.names import show
from pyopenshell.devices.cdi.values import meant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyopenshell.devices.cdi.document import Node, Note

KINDS = {"sequence": "a list", "mapping": "a mapping", "boolean": "true or false", "integer": "a number"}
"""What a value is, in the words of messages; everything else is text."""


def mapping(node: Node, known: frozenset[str], what: str, note: Note) -> dict[str, Node]:
    """Return the fields of ``node`` that are known, by the name CDI has for them; null and what is wrong give none."""
    if node.kind != "mapping":
        _expected(node, "a mapping", what, note)
        return {}
    fields = {}
    for name, child in node.value.items():
        if name in known:
            fields[name] = child
        else:
            _other_name(name, child, known, what, note, fields=fields)
    return fields


def _other_name(
    name: str, child: Node, known: frozenset[str], what: str, note: Note, *, fields: dict[str, Node]
) -> None:
    """Note a name that CDI does not have; take it where only its capitals differ."""
    for right in known:
        if right.lower() == name.lower():
            if right in fields:
                message = f"duplicate key {show(name)}: {right} is already there, and engines take them for the same"
                note("duplicate-key", message, None, *child.key)
                return
            note("field-case", f"{show(name)} in {what} is written {right}", f"write {right}", *child.key)
            fields[right] = child
            return
    right_one = meant(name, known)
    mend = f"write {right_one}" if right_one else f"remove it; {what} has {', '.join(sorted(known))}"
    note("unknown-field", f"unknown field {show(name)} in {what}", mend, *child.key)


def sequence(node: Node, what: str, note: Note) -> list[Node]:
    """Return the items of a list; null and what is wrong give none."""
    if node.kind == "sequence":
        return node.value  # type: ignore[no-any-return]
    _expected(node, "a list", what, note)
    return []


def text(fields: dict[str, Node], name: str, what: str, note: Note) -> str:
    """Return a field's text, empty where it is not there or not text."""
    node = fields.get(name)
    return "" if node is None else string(node, f"{name} of {what}", note)


def required(fields: dict[str, Node], name: str, what: str, note: Note, owner: Node) -> str:
    """Return a field's text, noting where it is missing or empty. ``owner`` is where the fault then stands."""
    value = text(fields, name, what, note)
    node = fields.get(name)
    if not value and (node is None or node.kind in ("null", "string")):
        place = owner if node is None else node
        note("missing-field", f"{what} has no {name}", f"add {name}", *place.key)
    return value


def string(node: Node, what: str, note: Note) -> str:
    """Return a scalar as text. Where engines would read other text than is written, a warning says so."""
    if node.kind == "string":
        return node.text
    if node.kind in ("boolean", "number", "integer"):
        if node.kind != "integer" or node.text != str(node.value):
            kind = "truth value" if node.kind == "boolean" else "number"
            message = f"{what} is {node.text} without quotes: engines read a {kind}"
            note("unquoted", message, f'write "{node.text}"', node.line, node.column)
        return node.text
    _expected(node, "text", what, note)
    return ""


def texts(fields: dict[str, Node], name: str, what: str, note: Note) -> tuple[str, ...]:
    """Return a field that is a list of texts."""
    node = fields.get(name)
    if node is None:
        return ()
    label = f"{name} of {what}"
    items = sequence(node, label, note)
    return tuple(item.text if item.kind == "string" else string(item, label, note) for item in items)


def integer(fields: dict[str, Node], name: str, what: str, note: Note, *, low: int, high: int) -> int | None:
    """Return a field's whole number, None where it is not there, no number, or not from ``low`` to ``high``."""
    node = fields.get(name)
    if node is None:
        return None
    if node.kind != "integer":
        _expected(node, "a whole number, without quotes,", f"{name} of {what}", note)
        return None
    value: int = node.value
    if low <= value <= high:
        return value
    note("bad-number", f"{name} of {what} is {value}", f"write a number from {low} to {high}", node.line, node.column)
    return None


def boolean(fields: dict[str, Node], name: str, what: str, note: Note) -> bool:
    """Return a field's truth value, false where it is not there."""
    node = fields.get(name)
    if node is None or node.kind == "boolean":
        return bool(node and node.value)
    _expected(node, "true or false", f"{name} of {what}", note)
    return False


def _expected(node: Node, kind: str, what: str, note: Note) -> None:
    if node.kind not in ("null", "invalid"):
        message = f"{what} must be {kind.rstrip(',')}, and is {KINDS.get(node.kind, 'text')}"
        note("wrong-type", message, f"write {kind.rstrip(',')}", node.line, node.column)
