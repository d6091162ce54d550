"""The policy reference against the schema and the parser: what it says is what is read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pyopenshell.errors import PolicyError
from pyopenshell.policy import load
from pyopenshell.policy.field import Field
from pyopenshell.policy.fields import POLICY
from pyopenshell.policy.network import SECTION

PAGE = Path(__file__).parents[3] / "docs" / "policy-reference.md"
TEXT = PAGE.read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\S+)(?: (\S+))?\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
GOOD = [body for language, mark, body in BLOCKS if language == "yaml" and not mark]
WRONG = [
    (body, BLOCKS[index + 1][2])
    for index, (language, mark, body) in enumerate(BLOCKS)
    if (language, mark) == ("yaml", "wrong")
]


def sections():
    """Every mapping of the schema as (dotted path, its fields), in the order of the page; shared ones once."""
    whole = POLICY.replace(fields={**POLICY.fields, "network_policies": SECTION})
    seen: set[int] = set()
    waiting = [("", whole)]
    while waiting:
        path, field = waiting.pop(0)
        if field.fields and id(field.fields) not in seen:
            seen.add(id(field.fields))
            yield path, field
        children = [(f"{path}.{name}" if path else name, part) for name, part in field.fields.items()]
        if field.item is not None:
            children.append((path + ("[]" if field.kind == "list" else ".<name>"), field.item))
        waiting[:0] = children


def type_words(field: Field) -> str:
    """The type as the page writes it."""
    if field.choices:
        return ", ".join(f"`{choice}`" for choice in field.choices)
    if field.kind == "integer":
        return f"`{field.low}`" if field.low == field.high else f"integer, {field.low} to {field.high}"
    if field.kind == "list" and field.item is not None:
        inner = type_words(field.item)
        return "list of " + {"a path": "paths"}.get(
            field.item.noun or "", {"text": "texts", "mapping": "mappings"}.get(inner, inner)
        )
    return {"identity": "name or number", "matcher": "pattern, or `{any: [patterns]}`", "table": "mapping"}.get(
        field.kind, field.kind
    )


def default_words(field: Field) -> str:
    """The default as the page writes it."""
    if field.required:
        return "required"
    if field.default is None:
        return ""
    if isinstance(field.default, bool):
        return f"`{str(field.default).lower()}`"
    return f"`[{', '.join(field.default)}]`" if isinstance(field.default, tuple) else f"`{field.default}`"


def table(field: Field) -> str:
    """The table of a mapping's keys as the page must have it."""
    rows = [
        f"| `{name}` | {type_words(part)} | {default_words(part)} | {part.doc} |" for name, part in field.fields.items()
    ]
    return "\n".join(["| Key | Type | Default | Meaning |", "| --- | --- | --- | --- |", *rows])


@pytest.mark.parametrize(("path", "field"), list(sections()), ids=lambda value: value if isinstance(value, str) else "")
def test_every_key_is_documented_as_it_is_read(path, field):
    """Each mapping has a heading with its dotted path, and below it exactly its keys, types, defaults, meanings."""
    heading = f"`{path}`" if path else "The whole file"
    part = re.search(rf"^#+ {re.escape(heading)}.*?\n(.*?)(?=^#|\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert part, f"no heading {heading}"
    found = re.findall(r"^\|.*\|$", part[1], re.MULTILINE)
    assert table(field) == "\n".join(found[: len(field.fields) + 2])
    assert len(found) == len(field.fields) + 2


def test_there_is_something_to_test():
    """The page has examples and mistakes, so the tests below cannot pass for want of them."""
    assert len(GOOD) >= 7
    assert len(WRONG) >= 4


@pytest.mark.parametrize("body", GOOD)
def test_examples_are_policies(body):
    """Every block marked yaml is a whole policy that the real parser takes."""
    assert load.parse(body.encode()).version == 1


@pytest.mark.parametrize(("body", "told"), WRONG)
def test_mistakes_are_told_as_shown(body, told):
    """Every block marked wrong is answered with exactly the lines that follow it."""
    with pytest.raises(PolicyError) as caught:
        load.parse(body.encode(), "policy.yaml")
    assert told.splitlines() == caught.value.lines()
