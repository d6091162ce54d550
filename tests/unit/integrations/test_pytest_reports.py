"""Reports that a sandbox sends: taken for its own test, made printable, and refused where they are none."""

import json
import math

import pytest

from pyopenshell.integrations.door import DoorRefused
from pyopenshell.integrations.pytest_reports import Outcome

SENT = {"when": "setup", "outcome": "passed", "duration": 0.5, "sections": [], "properties": []}
FAILED = {**SENT, "when": "call", "outcome": "failed", "text": "    assert 0\nE   assert 0", "crash": ["t.py", 3, "m"]}


@pytest.fixture
def outcome(request):
    """What came of this very test, of which a sandbox would report."""
    found = Outcome(request.node, 1000.0)
    found.about = "Sandbox x"
    return found


def test_a_report_is_about_the_test_that_was_run(outcome, request):
    """Name and place are those of the item, whatever was sent; times and texts are what was sent."""
    told = {**FAILED, "nodeid": "other.py::test", "location": ["x", 1, "y"], "keywords": {"z": 1}, "node": "gw9"}
    report = outcome.report(told, None)
    assert (request.node.nodeid, request.node.location) == (report.nodeid, report.location)
    assert ("call", "failed", 0.5, False) == (report.when, report.outcome, report.duration, hasattr(report, "node"))
    assert "assert 0\nE   assert 0" == report.longreprtext
    assert ("t.py", 3, "m") == (
        report.longrepr.reprcrash.path,
        report.longrepr.reprcrash.lineno,
        report.longrepr.reprcrash.message,
    )


def test_texts_are_made_printable(outcome):
    """No text brings control characters to the terminal of who runs the tests."""
    evil = "\x1b]0;title\x07\u202e"
    told = {**FAILED, "text": evil, "crash": [evil, 1, evil], "sections": [[evil, evil]], "properties": [[evil, evil]]}
    report = outcome.report({**told, "wasxfail": evil}, None)
    shown = json.dumps(report._to_json(), ensure_ascii=False)
    assert "\\x1b" in shown.replace("\\\\", "\\")
    assert {*"\x1b\x07\u202e"}.isdisjoint(shown + str(report.longrepr))


def test_skips_and_expected_failures(outcome):
    """The reason of a skip is a place and a text; an expected failure keeps its own."""
    skip = outcome.report({**SENT, "outcome": "skipped", "skip": ["t.py", 7, "because"]}, None)
    assert ("t.py", 7, "because") == tuple(skip.longrepr)
    assert "known" == outcome.report({**SENT, "outcome": "skipped", "wasxfail": "known"}, None).wasxfail


@pytest.mark.parametrize(
    "told",
    [
        None,
        [],
        "setup",
        {},
        {**SENT, "when": "collect"},
        {**SENT, "outcome": "rerun"},
        {**SENT, "duration": "1"},
        {**SENT, "duration": math.nan},
        {**SENT, "duration": math.inf},
        {**SENT, "duration": 10**400},
        {**SENT, "duration": -1},
        {**SENT, "outcome": "failed"},
        {**SENT, "outcome": "failed", "skip": ["t.py", 7, "because"]},
        {**SENT, "outcome": "skipped"},
        {**SENT, "outcome": "skipped", "text": "no reason"},
        {**SENT, "outcome": "skipped", "skip": ["t.py", 10**400, "because"]},
        {**SENT, "outcome": "skipped", "skip": ["t.py", "7", "because"]},
        {**FAILED, "text": 10**4400},
        {**FAILED, "crash": ["t.py", 1 << 31, "m"]},
        {**SENT, "sections": [["one"]]},
        {**SENT, "sections": [[1, 2]]},
        {**SENT, "properties": {"a": 1}},
        {**SENT, "properties": [["a", {"b": 1}]]},
    ],
)
def test_what_is_no_report_is_refused(outcome, told):
    """Other shapes and values do not get to pytest."""
    with pytest.raises(DoorRefused):
        outcome.report(told, None)


def test_a_warning_has_a_line_that_can_be(outcome):
    """The number of a line is one that files have."""
    with pytest.raises(DoorRefused):
        outcome.warned("text", "file", 10**4400)


def test_reports_have_an_order(outcome):
    """A test does not begin again, and does not go on after its end."""
    outcome.report({**SENT, "when": "call"}, None)
    with pytest.raises(DoorRefused, match="order"):
        outcome.report(SENT, None)
    outcome.report({**SENT, "when": "teardown"}, None)
    with pytest.raises(DoorRefused):
        outcome.report({**SENT, "when": "teardown"}, None)


@pytest.mark.parametrize(("reported", "phase"), [((), "setup"), (("setup",), "call"), (("setup", "call"), "teardown")])
def test_an_early_end_is_a_failure_of_the_next_phase(outcome, reported, phase):
    """What came is kept; what did not come has failed, with the reason and what was printed."""
    for when in reported:
        outcome.report({**SENT, "when": when}, None)
    report = outcome.failed("it ended", "said\x07")
    assert (phase, "failed") == (report.when, report.outcome)
    assert "it ended" in str(report.longrepr)
    assert [("Sandbox", "Sandbox x"), ("Output of pytest in the sandbox", "said\\x07")] == [
        *map(tuple, report.sections)
    ]
    assert outcome.complete
