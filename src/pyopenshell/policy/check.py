"""Hold a document tree against the schema tables, noting every mistake."""

from __future__ import annotations

from pyopenshell.policy.document import Node
from pyopenshell.policy.field import Field
from pyopenshell.policy.problems import Problems, join, nearest, show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_MEANT_TRUE = ("yes", "on", "y", "1", "true")
_MEANT_FALSE = ("no", "off", "n", "0", "false")


def checked(node: Node, field: Field, key: str, problems: Problems) -> Node:
    """Return the tree with everything wrong replaced by nodes of kind ``invalid`` and unknown keys left out.

    What it returns is well-typed, so that rules over several keys can follow without repeating this.
    """
    if node.kind == "invalid":
        return node
    return _CHECKS[field.kind](node, field, key, problems)


def part(node: Node | None, name: str) -> Node | None:
    """Return a checked mapping's value under ``name``; None where it is not given or not valid."""
    child = node.value.get(name) if node is not None and node.kind == "mapping" else None
    return None if child is None or child.kind == "invalid" else child


def value(node: Node | None, name: str, default: Any = None) -> Any:
    """Return the plain value under ``name``; ``default`` where it is not given or not valid."""
    child = part(node, name)
    return default if child is None else child.value


def items(node: Node | None, name: str) -> tuple[Node, ...]:
    """Return the valid items of the list under ``name``."""
    return tuple(child for child in value(node, name, ()) if child.kind != "invalid")


def wrong(node: Node, message: str, key: str, problems: Problems, hint: str | None = None) -> Node:
    """Note a mistake at ``node`` and return the node that stands for it."""
    # An empty value has no place of its own that a person would recognise: point at its key.
    place = node.key if node.kind == "null" and node.key is not None else node
    problems.add(message, place.line, place.column, key=key, hint=hint)
    return Node(None, node.line, node.column, "invalid", node.key)


def found(node: Node) -> str:
    """Return the words for what stands there."""
    if node.kind == "string":
        return f"the text {show(node.value)}" if node.value else "an empty text"
    if node.kind in ("integer", "boolean"):
        return str(node.value).lower()
    return {"null": "nothing", "sequence": "a list", "mapping": "a mapping"}[node.kind]


def _unexpected(node: Node, field: Field, key: str, problems: Problems, hint: str | None = None) -> Node:
    """Note a value of the wrong type or outside its range."""
    if node.kind == "null" and not hint:
        hint = f"give it a value, or remove the {'key' if node.key else 'item'}"
    return wrong(node, f"expected {field.expected}, found {found(node)}", key, problems, hint)


def _mapping(node: Node, field: Field, key: str, problems: Problems) -> Node:
    if node.kind != "mapping":
        return _unexpected(node, field, key, problems)
    good = {}
    for name, child in node.value.items():
        if name in field.fields:
            good[name] = checked(child, field.fields[name], join(key, name), problems)
        else:
            _unknown(child, name, field, key, problems)
    for name, known in field.fields.items():
        if known.required and name not in node.value:
            problems.add(f"'{name}' is missing", node.line, node.column, key=key, hint=f"add {name}: {known.expected}")
    return Node(good, node.line, node.column, "mapping", node.key)


def _unknown(child: Node, name: str, field: Field, key: str, problems: Problems) -> None:
    """Note a key that the schema does not have, with the one that was probably meant."""
    place = child.key or child
    meant = nearest(name, field.fields)
    message = "unknown key"
    if name in field.unsupported:
        message, hint = field.unsupported[name]
    elif meant:
        hint = f"did you mean '{meant}'?"
    else:
        homes = [home for home, section in field.fields.items() if name in section.fields]
        hint = f"'{name}' belongs under {homes[0]}" if homes else f"known keys here: {', '.join(field.fields)}"
    problems.add(message, place.line, place.column, key=join(key, name), hint=hint)


def _table(node: Node, field: Field, key: str, problems: Problems) -> Node:
    if node.kind != "mapping":
        hint = "write {} for none, or remove the key" if node.kind == "null" else None
        return _unexpected(node, field, key, problems, hint)
    if field.item is None:
        return node
    good = {}
    for name, child in node.value.items():
        verdict = field.check(name) if field.check else None
        if verdict and child.key:
            problems.add(verdict[0], child.key.line, child.key.column, key=join(key, name), hint=verdict[1])
        good[name] = checked(child, field.item, join(key, name), problems)
    return Node(good, node.line, node.column, "mapping", node.key)


def _list(node: Node, field: Field, key: str, problems: Problems) -> Node:
    assert field.item is not None  # noqa: S101  (the tables are ours)
    if node.kind != "sequence":
        hint = None
        if node.kind == "null":
            hint = "write [] for none, or remove the key"
        elif node.kind in ("string", "integer"):
            hint = f"write [{show(str(node.value))[1:-1]}]"
        return _unexpected(node, field, key, problems, hint)
    good = tuple(checked(child, field.item, f"{key}[{index}]", problems) for index, child in enumerate(node.value))
    return Node(good, node.line, node.column, "sequence", node.key)


def _text(node: Node, field: Field, key: str, problems: Problems) -> Node:
    if node.kind != "string" or (not node.value and field.kind != "matcher"):
        hint = None
        if node.kind == "boolean" and field.choices:
            word = next((word for word in (_MEANT_TRUE if node.value else _MEANT_FALSE) if word in field.choices), None)
            hint = f"{str(node.value).lower()} is a truth value; write {word}" if word else None
        elif node.kind in ("integer", "boolean") and not field.choices:
            hint = f"quote it: '{str(node.value).lower()}'"
        return _unexpected(node, field, key, problems, hint)
    if field.choices and node.value not in field.choices:
        meant = nearest(node.value, field.choices)
        return _unexpected(node, field, key, problems, f"did you mean '{meant}'?" if meant else None)
    return _verdict(node, field, key, problems)


def _verdict(node: Node, field: Field, key: str, problems: Problems) -> Node:
    """Ask the field's own check about a text."""
    verdict = field.check(node.value) if field.check else None
    return wrong(node, verdict[0], key, problems, verdict[1]) if verdict else node


def _integer(node: Node, field: Field, key: str, problems: Problems) -> Node:
    if node.kind != "integer" or not field.low <= node.value <= field.high:
        quoted = node.kind == "string" and node.value.isdigit()
        return _unexpected(node, field, key, problems, "remove the quotes" if quoted else None)
    return node


def _boolean(node: Node, field: Field, key: str, problems: Problems) -> Node:
    if node.kind != "boolean":
        word = str(node.value).lower()
        hint = "write true" if word in _MEANT_TRUE else "write false" if word in _MEANT_FALSE else None
        return _unexpected(node, field, key, problems, hint)
    return node


def _identity(node: Node, field: Field, key: str, problems: Problems) -> Node:
    if node.kind not in ("string", "integer") or node.value == "":
        return _unexpected(node, field, key, problems)
    return _verdict(Node(str(node.value), node.line, node.column, "string", node.key), field, key, problems)


def _matcher(node: Node, field: Field, key: str, problems: Problems) -> Node:
    if node.kind == "mapping":
        return _mapping(node, field, key, problems)
    return _text(node, field, key, problems)


_CHECKS = {
    "mapping": _mapping,
    "table": _table,
    "list": _list,
    "text": _text,
    "integer": _integer,
    "boolean": _boolean,
    "identity": _identity,
    "matcher": _matcher,
}
