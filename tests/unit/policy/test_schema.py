"""The shipped JSON Schema: current, sound, and of one mind with the parser where it can be."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from pyopenshell.policy import load, schema
from pyopenshell.policy.document import parse, plain
from pyopenshell.policy.problems import Problems
from tests.unit.policy import mistakes, network_cases
from tests.unit.policy.test_load import FULL
from tests.unit.policy.test_network import policy

ROOT = Path(__file__).parents[3]
EXAMPLES = sorted((ROOT / "examples" / "policies").glob("*.yaml"))
SHIPPED = json.loads(schema.FILE.read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SHIPPED)

# Mistakes that a JSON Schema cannot know: they are about text, or compare values with each other.
BEYOND = {
    "read-only inside writable",
    "in both",
    "twice",
    "257 in both",
    "uid 00",
    "uid -0",
    "unchanged",
    "leading zero",
    "other digits",
    "colon",
    "option",
    "negative",
}


def document(text: str):
    """A policy as plain data, read by our rules for YAML."""
    root = parse(text, Problems())
    assert root is not None
    return plain(root)


def test_shipped_file_is_current():
    """The file is what the tables give; ``--write`` makes it so."""
    assert schema.text() == schema.FILE.read_text(encoding="utf-8")
    schema.main(["--check"])


def test_check_notices_a_change(monkeypatch, tmp_path):
    """A stale or missing file fails the check, and ``--write`` mends it."""
    monkeypatch.setattr(schema, "FILE", tmp_path / "schema.json")
    for text in (None, "{}"):
        if text:
            schema.FILE.write_text(text)
        with pytest.raises(SystemExit, match="is not current"):
            schema.main(["--check"])
    schema.main(["--write"])
    schema.main(["--check"])
    with pytest.raises(SystemExit, match="usage"):
        schema.main([])


def test_schema_is_a_schema():
    """It is valid by the draft it names."""
    jsonschema.Draft202012Validator.check_schema(SHIPPED)


def test_everything_is_described():
    """Editors have a sentence to show for every key."""

    def walk(part, path):
        assert part["description"].endswith("."), path
        for name, child in part.get("properties", {}).items():
            walk(child, [*path, name])
        for name in ("items", "additionalProperties"):
            if isinstance(part.get(name), dict):
                walk(part[name], [*path, name])

    walk(SHIPPED, [])


@pytest.mark.parametrize("path", EXAMPLES, ids=[path.name for path in EXAMPLES])
def test_examples(path):
    """Example policies are valid by parser and schema, and name the schema for editors."""
    text = path.read_text(encoding="utf-8")
    load.load(str(path))
    VALIDATOR.validate(document(text))
    comment, _, reference = text.splitlines()[0].partition("$schema=")
    assert "# yaml-language-server: " == comment
    assert schema.FILE == (path.parent / reference).resolve()


def test_the_three_examples_are_there():
    """The examples that the documentation names exist."""
    assert {"agent.yaml", "cuda.yaml", "strict.yaml"} <= {path.name for path in EXAMPLES}


@pytest.mark.parametrize("text", [FULL, load.default().source.text, "version: 1\n"], ids=["full", "default", "minimal"])
def test_valid_policies(text):
    """What the parser takes, the schema takes."""
    VALIDATOR.validate(document(text))


@pytest.mark.parametrize("keys", network_cases.GOOD_ENDPOINTS)
def test_valid_endpoints(keys):
    """So too for every good endpoint."""
    VALIDATOR.validate(document(policy(f"host: a.example.com, port: 443, {keys}").decode()))


INVALID = [
    row for row in [*mistakes.TYPES, *mistakes.KEYS, *mistakes.PATHS, *mistakes.IDENTITY] if row[0] not in BEYOND
]


@pytest.mark.parametrize("text", [row[1] for row in INVALID], ids=[row[0] for row in INVALID])
def test_invalid_policies(text):
    """What the parser refuses for its shape, the schema refuses."""
    assert not VALIDATOR.is_valid(document(text))


@pytest.mark.parametrize(
    "keys",
    [
        "port: 443",
        "host: a.b",
        "host: a.b, port: 1, ports: [2]",
        "host: a.b, port: 0",
        "host: a.b, port: '443'",
        "host: a.b, port: 1, protocol: http",
        "host: a.b, port: 1, protocl: rest",
        "host: a.b, port: 1, protocol: rest, rules: []",
        "host: a.b, port: 1, protocol: rest, access: full, rules: [{allow: {method: GET, path: /}}]",
        "host: a.b, port: 1, credential_signing: sigv4",
        "host: a.b, port: 1, deny_rules: [{method: GET, path: /}]",
    ],
)
def test_invalid_endpoints(keys):
    """Simple combinations of an endpoint's keys are known to the schema."""
    assert not VALIDATOR.is_valid(document(policy(keys).decode()))
