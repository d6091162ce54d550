"""Every mistake is told once, at its place, with what was expected and what to do."""

from __future__ import annotations

import pytest
import yaml

from pyopenshell.errors import PolicyError
from pyopenshell.policy import load
from tests.unit.policy import mistakes

ALL = [*mistakes.YAML, *mistakes.TYPES, *mistakes.KEYS, *mistakes.PATHS, *mistakes.IDENTITY]


def told(text: str | bytes) -> list[str]:
    """What is reported for a policy, as ``line:column message hint``."""
    with pytest.raises(PolicyError) as caught:
        load.parse(text.encode() if isinstance(text, str) else text, "p.yaml")
    return [f"{p.line}:{p.column} {p.message} {p.hint or ''}" for p in caught.value.problems]


def assert_told(expected: list[str], found: list[str]) -> None:
    """Each expected line has its place exactly, and its fragment within the message; nothing else is reported."""
    assert len(expected) == len(found), found
    for want, have in zip(expected, found, strict=True):
        place, fragment = want.split(" ", 1)
        assert place == have.split(" ", 1)[0], have
        assert fragment in have


@pytest.mark.parametrize(("text", "expected"), [row[1:] for row in ALL], ids=[row[0] for row in ALL])
def test_mistake(text, expected):
    """With libyaml's parser, which is used where PyYAML was built with it."""
    assert_told(expected, told(text))


@pytest.mark.parametrize(("text", "expected"), [row[1:] for row in ALL], ids=[row[0] for row in ALL])
def test_mistake_without_libyaml(text, expected, monkeypatch):
    """With PyYAML's own parser the messages and places are the same."""
    monkeypatch.delattr(yaml, "CSafeLoader")
    assert_told(expected, told(text))


def test_all_mistakes_at_once_in_file_order():
    """Mistakes of structure, type and combination come together, sorted by place, whatever found them."""
    text = (
        "version: 2\n"
        "filesystem_policy:\n"
        "  read_only: [/srv/a, ../x]\n"
        "  read_write: [/srv]\n"
        "landlock: &a {compatibility: strict}\n"
        "landlock: {}\n"
        "process: {run_as_user: 0}\n"
    )
    assert ["1:10", "3:15", "3:23", "5:11", "5:30", "6:1", "7:24"] == [line.split(" ")[0] for line in told(text)]


def test_one_wrong_value_is_one_mistake():
    """What follows from a mistake is not reported as another: the invalid host is there, it is just invalid."""
    endpoint = "{host: 5, port: none, protocol: rest, access: readonly}"
    text = f"version: 1\nnetwork_policies: {{a: {{endpoints: [{endpoint}]}}}}\n"
    assert_told(
        ["2:43 expected a host name", "2:52 expected a number from 1 to 65535", "2:82 did you mean 'read-only'?"],
        told(text),
    )


def test_more_mistakes_than_anyone_reads():
    """After a hundred mistakes one line says that there are more."""
    found = told("version: 1\nfilesystem_policy:\n  read_only:\n" + "  - x\n" * 250)
    assert 101 == len(found)
    assert "103:5 more than 100 mistakes" in found[-1]


def test_values_are_cut_and_escaped():
    """A message repeats a value readably: no megabyte, and nothing that moves a terminal's cursor."""
    line = told("version: '" + "\u200b" * 100_000 + "'\n")[0]
    assert len(line) < 600
    assert "\\u200b" in line


def test_problem_carries_key_and_hint():
    """Programs get the dotted path and the hint apart from the message."""
    with pytest.raises(PolicyError) as caught:
        load.parse(b"version: 1\nfilesystem_policy: {read_only: [/a, b]}\n", "p.yaml")
    problem = caught.value.problems[0]
    assert ("filesystem_policy.read_only[1]", 2, 37) == (problem.key, problem.line, problem.column)
    assert "policy.invalid" == caught.value.as_dict()["error"]["code"]
    assert "p.yaml:2:37" == caught.value.place


NOT_YAML = [
    ("a:\n\t- b\n", "2:1 a value cannot begin with this character indent with spaces, not tabs"),
    ("a: @b\n", "1:4 quote values that begin with @"),
    ("a: b: c\n", "1:5 a ':' stands where none can be"),
    ("a: - b\n", "1:4 a '-' stands where none can be"),
    ("a: [1, 2\nb: c\n", "2:2 the list opened on line 1 is not closed"),
    ("a: {x: 1\nb: c\n", "2:2 the mapping opened on line 1 is not closed"),
    ("a: 'b\n", "2:1 the quotation mark on line 1 is not closed"),
    ('a: "\\q"\n', "1:5 unknown escape in double quotes"),
    ("a:\n  b: 1\n c: 2\n", "3:2 the indentation does not fit the lines above"),
    ("- a\nb: c\n", "2:1 the indentation does not fit the list above"),
    ("a: [1, [2,", "1:11 the list opened on line 1 is not closed"),
    ("a:\n  {b: [c],\n", "3:1 the mapping opened on line 2 is not closed"),
    ("a: ]\n", "1:4 a value is missing here"),
    ("a: 1\nb\n", "3:1 this is not a 'key: value' line"),
    ("<html>\n<p class='x'>: y: z</p>\n", "2:14 a ':' stands where none can be"),
    ("%PDF-1.7\n", "1:7 not valid YAML"),
]


@pytest.mark.parametrize(("text", "expected"), NOT_YAML, ids=[row[0] for row in NOT_YAML])
def test_not_yaml(text, expected):
    """Syntax errors are told in words for people, at the place the parser gives."""
    assert_told([expected], told(text))


@pytest.mark.parametrize("text", [row[0] for row in NOT_YAML])
def test_not_yaml_without_libyaml(text, monkeypatch):
    """PyYAML's own parser says it in other words; none of them gets past us as anything but a PolicyError."""
    monkeypatch.delattr(yaml, "CSafeLoader")
    found = told(text)
    assert 1 == len(found)
    assert "not valid YAML" in found[0]


def test_not_utf8_has_place_and_offset():
    """Bytes that are not UTF-8 are told with their line, column and offset in the file."""
    assert_told(
        ["2:4 not UTF-8: byte 0xff at offset 15 save the file as UTF-8"], told("version: 1\né# ".encode() + b"\xff")
    )


def test_utf16_is_recognised():
    """A file from an editor that writes UTF-16 gets a hint that says so."""
    assert_told(
        ["1:1 not UTF-8: byte 0xff at offset 0 the file looks like UTF-16"], told("version: 1\n".encode("utf-16"))
    )


@pytest.mark.parametrize(
    "text",
    [
        "[" * 50_000,
        "{a: " * 50_000,
        "- " * 50_000,
        "? " * 50_000,
        "a: &a [*a, *a, *a]\n" * 2000,
        "a" * (1 << 20),
        "\t" * (1 << 20),
    ],
    ids=["lists", "mappings", "items", "keys", "aliases", "letters", "tabs"],
)
def test_hostile_documents_are_refused(text):
    """Deep nesting neither crashes nor recurses; aliases do not multiply; a megabyte of anything is an answer."""
    assert told(text)


def test_too_many_values():
    """A document with more keys and values than any policy has is left there."""
    assert "more than 50,000 keys and values" in told("a: [" + "1," * 60_000 + "]")[-1]
