"""Our events against the official OCSF 1.8.0 schema, and against the golden files."""

import functools
import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from ocsf_json_schema import OcsfJsonSchema, OcsfJsonSchemaEmbedded, get_ocsf_schema  # type: ignore[import-untyped]

from pyopenshell.audit import event as shape
from tests.conformance import make_golden

EVENTS = make_golden.events()
DOCUMENT = Path(__file__).parents[2].joinpath("docs", "audit.md").read_text(encoding="utf-8")


@functools.cache
def official():
    """The official schema, as data."""
    return get_ocsf_schema(shape.OCSF_VERSION)


@functools.cache
def validator(class_uid, *profiles):
    """A validator for one event class with these profiles; unknown attributes are errors in it."""
    schema = OcsfJsonSchemaEmbedded(OcsfJsonSchema(official()))
    name = schema.lookup_class_name_from_uid(class_uid)
    return jsonschema.Draft202012Validator(schema.get_class_schema(name, list(profiles)))


def errors(event):
    """What the official schema has to say against an event."""
    profiles = event.get("metadata", {}).get("profiles", shape.PROFILES)
    found = validator(event["class_uid"], *profiles).iter_errors(event)
    return [f"{error.json_path}: {error.message}" for error in found]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event["metadata"]["event_code"])
def test_profiles_are_ours(event):
    """The same for every event, and one more where a process is told by its number in the sandbox."""
    more = [shape.NUMBERED] if "namespace_pid" in event.get("process", ()) else []
    assert [*shape.PROFILES, *more] == event["metadata"]["profiles"]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event["metadata"]["event_code"])
def test_events_are_valid(event):
    """Every kind of event we build satisfies the official schema."""
    assert errors(event) == []


def test_every_class_is_covered():
    """The sample has every class and activity that the translator knows, so none goes unvalidated."""
    known = {(uid, activity) for uid, row in shape.CLASSES.items() for activity in row[3]}
    assert known == {(event["class_uid"], event["activity_id"]) for event in EVENTS}


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event["metadata"]["event_code"])
def test_captions_are_the_schemas(event):
    """Where OCSF has a caption for a number, our text beside the number is that caption."""
    attributes = official()["classes"][_class_name(event["class_uid"])]["attributes"]
    pairs = {
        "class_uid": "class_name",
        "category_uid": "category_name",
        "activity_id": "activity_name",
        "type_uid": "type_name",
        "severity_id": "severity",
        "status_id": "status",
        "state_id": "state",
        "action_id": "action",
        "disposition_id": "disposition",
        "launch_type_id": "launch_type",
    }
    for number, text in pairs.items():
        if number in event and event[number] != 99:
            assert attributes[number]["enum"][str(event[number])]["caption"] == event[text]


def _class_name(class_uid):
    return next(row["name"] for row in official()["classes"].values() if row["uid"] == class_uid)


def test_validator_notices():
    """A missing attribute, an unknown one and a wrong number are all found: the test above can fail."""
    event = EVENTS[0]
    without = {key: value for key, value in event.items() if key != "metadata"}
    assert errors(without)
    assert errors(event | {"grant": "x"})
    assert errors(event | {"severity_id": 7})


@pytest.mark.parametrize("name", ["events.jsonl", "events.log"])
def test_golden(name, tmp_path):
    """What a run writes is what the golden files say; ``make_golden`` renews them."""
    make_golden.write(tmp_path)
    assert (make_golden.GOLDEN / name).read_text(encoding="utf-8") == (tmp_path / name).read_text(encoding="utf-8")


def test_golden_lines_pair_up():
    """The two files tell the same events in the same order, and each JSON line is the event itself."""
    lines = (make_golden.GOLDEN / "events.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(json.dumps(EVENTS)) == [json.loads(line) for line in lines]
    assert len(lines) == len((make_golden.GOLDEN / "events.log").read_text(encoding="utf-8").splitlines())


def test_the_documented_lines_are_real():
    """Every line of shorthand in the documentation is one that the sample run writes."""
    shown = [line for line in DOCUMENT.splitlines() if " OCSF " in line and line[:2] == "20"]
    assert len(shown) > 3
    assert set(shown) <= set((make_golden.GOLDEN / "events.log").read_text(encoding="utf-8").splitlines())


def test_every_event_is_documented():
    """The documentation names every code that we give to events; findings have their own."""
    codes = {event["metadata"]["event_code"] for event in EVENTS if event["class_uid"] != 2004}
    assert [code for code in sorted(codes) if f"`{code}`" not in DOCUMENT] == []


def test_the_documented_validation_works(tmp_path):
    """The script in the documentation accepts the golden events, and notices one that is wrong."""
    script = DOCUMENT.partition("```python\n")[2].partition("```")[0]
    lines = (make_golden.GOLDEN / "events.jsonl").read_text(encoding="utf-8").splitlines()
    right, wrong = tmp_path / "right.jsonl", tmp_path / "wrong.jsonl"
    right.write_text("\n".join({json.loads(line)["class_uid"]: line for line in lines}.values()), encoding="utf-8")
    wrong.write_text(lines[0].replace('"severity_id":1,', '"severity_id":7,'), encoding="utf-8")
    for path, code in ((right, 0), (wrong, 1)):
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", script, str(path)], capture_output=True, check=False
        )
        assert code == done.returncode, done.stderr
