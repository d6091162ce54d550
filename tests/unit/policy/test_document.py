"""The positioned tree: kinds, places, and what plain YAML becomes."""

from __future__ import annotations

import pytest

from pyopenshell.policy.document import Node, parse, plain
from pyopenshell.policy.problems import Problems


def tree(text: str) -> Node:
    """The root of a document without mistakes."""
    problems = Problems()
    root = parse(text, problems)
    assert root is not None
    assert 0 == len(problems)
    return root


SCALARS = [
    ("true", True, "boolean"),
    ("false", False, "boolean"),
    ("True", "True", "string"),
    ("yes", "yes", "string"),
    ("no", "no", "string"),
    ("on", "on", "string"),
    ("off", "off", "string"),
    ("null", None, "null"),
    ("~", None, "null"),
    ("", None, "null"),
    ("Null", "Null", "string"),
    ("0", 0, "integer"),
    ("-7", -7, "integer"),
    ("12", 12, "integer"),
    ("-0", "-0", "string"),
    ("+1", "+1", "string"),
    ("010", "010", "string"),
    ("0x10", "0x10", "string"),
    ("0o7", "0o7", "string"),
    ("1_000", "1_000", "string"),
    ("1.5", "1.5", "string"),
    ("1:30", "1:30", "string"),
    (".inf", ".inf", "string"),
    ("2001-01-01", "2001-01-01", "string"),
    ("²", "²", "string"),
    ("1" * 18, int("1" * 18), "integer"),
    ("1" * 19, "1" * 19, "string"),
    ("'true'", "true", "string"),
    ('"12"', "12", "string"),
    ("<<", "<<", "string"),
]


@pytest.mark.parametrize(("text", "value", "kind"), SCALARS, ids=[row[0] or "empty" for row in SCALARS])
def test_scalars(text, value, kind):
    """Only true, false, null and decimal integers are anything but text; quotes make text."""
    node = tree(f"a: {text}\n").value["a"]
    assert (value, kind) == (node.value, node.kind)


def test_places_count_characters_from_one():
    """Lines and columns count from 1, in characters, of values and of their keys."""
    node = tree("é: [ü, {k: v}]\n\n  # comment\nb:\n  - x\n")
    first, mapping = node.value["é"].value
    assert (1, 4) == (node.value["é"].line, node.value["é"].column)
    assert (1, 5) == (first.line, first.column)
    assert (1, 12) == (mapping.value["k"].line, mapping.value["k"].column)
    assert (1, 9) == (mapping.value["k"].key.line, mapping.value["k"].key.column)
    assert (5, 5) == (node.value["b"].value[0].line, node.value["b"].value[0].column)


def test_plain_is_the_document():
    """The plain form has the keys in the order written, and values as they are typed."""
    text = "b: [1, true, ~, off]\na: {y: x, c: []}\n5: six\n"
    assert '{"b": [1, true, null, "off"], "a": {"y": "x", "c": []}, "5": "six"}'.replace("true", "True").replace(
        "null", "None"
    ).replace('"', "'") == str(plain(tree(text)))


def test_deepest_allowed_nesting():
    """32 levels are read."""
    assert tree("[" * 32 + "]" * 32).kind == "sequence"


def test_json_is_a_document_too():
    """A policy written as JSON is read like any other."""
    assert {"version": 1, "a": ["b", False, None]} == plain(tree('{"version": 1, "a": ["b", false, null]}'))
