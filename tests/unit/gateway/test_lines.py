"""Logs as clients read them: lines of files from both ends, what a line says, and which are wanted."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("openshell", reason="needs: the extra gateway")

from pyopenshell.audit import context, translate
from pyopenshell.effective.model import Finding
from pyopenshell.errors import UsageError
from pyopenshell.gateway import lines
from pyopenshell.gateway.store import Revision, Sandbox

ROW = Sandbox("01", "default", "demo", {}, {}, b"", "READY", "", "", None, None, None, 1, 0, 1, 1000, 3000, "")
ALL = lines.wanted(0, (), "")


def event(severity="High", text="text", at=5000):
    """A finding as the audit log has it."""
    about = context.here("demo", "RUN").replace(time=at)
    return json.dumps(translate.finding(Finding("a.code", severity, text), about)).encode()


@pytest.fixture
def record(tmp_path):
    """A run's folder; ``write`` puts bytes behind what is in its log."""

    def write(data, name="run"):
        (tmp_path / name).mkdir(exist_ok=True)
        with open(lines.events_path(f"{tmp_path}/{name}"), "ab") as file:
            file.write(data)
        return f"{tmp_path}/{name}"

    return write


@settings(derandomize=True, deadline=None, database=None, max_examples=60)
@given(data=st.lists(st.sampled_from([b"a", b"bc", b"\n", b"x" * 70_000, b"y" * 65_535]), max_size=12).map(b"".join))
def test_a_file_backwards(data, tmp_path_factory):
    """Every whole line once, the last one first, whatever lies across the blocks that are read; no torn one."""
    path = tmp_path_factory.mktemp("log") / "events"
    path.write_bytes(data)
    whole = [line for line in data.split(b"\n")[:-1] if line]
    assert whole[::-1] == list(lines.backwards(str(path)))
    assert data.rfind(b"\n") + 1 == lines.whole_size(str(path))


def test_a_missing_file():
    """A run that has not logged anything has no lines."""
    assert [] == list(lines.backwards("/nonexistent/events"))
    assert [] == lines.Reader("/nonexistent").read()


def test_a_line_of_an_event():
    """The shorthand without its time, which stands beside it; level by severity; what programs look for as fields."""
    line = lines.of_event(event())
    assert (5000, "ERROR", "sandbox", "ocsf", "a.code") == (
        line.time,
        line.level,
        line.source,
        line.target,
        line.reason,
    )
    assert "OCSF FINDING:CREATE [HIGH] a.code text" == line.message
    assert {"code": "a.code", "severity": "High", "class": "Detection Finding", "run": "RUN"} == line.fields
    levels = [lines.of_event(event(name)).level for name in ("Informational", "Low", "Medium", "High", "Critical")]
    assert ["INFO", "INFO", "WARN", "ERROR", "ERROR"] == levels


@pytest.mark.parametrize("text", [b"{", b"[]", b"{}", b'{"class_uid": 2004}', b"\xff", b"[" * 100_000, b"1"])
def test_a_line_that_is_no_event(text):
    """A damaged log is said to be one, and hides nothing behind it."""
    assert ("WARN", "log.unreadable") == (lines.of_event(text).level, lines.of_event(text).reason)


def test_a_program_cannot_forge_a_line():
    """What a program put into an event stays on its line, and moves no cursor."""
    message = lines.of_event(event(text="a\n2026 OCSF \x1b[2J")).message
    assert message.isprintable()


def test_a_reader_follows(record):
    """It begins where it is told, gives each line once with where it ends, and waits for the end of a torn one."""
    path = record(event(text="old") + b"\n")
    reader, begun = lines.Reader(path), lines.Reader(path, 0)
    assert ([], 1) == (reader.read(), len(begun.read()))
    record(event(text="one") + b"\n" + event(text="two")[:20])
    (end, line) = reader.read()[0]
    assert "one" in line.message
    assert [] == reader.read()
    record(event(text="two")[20:] + b"\n")
    assert ["two" in line.message for _end, line in reader.read()] == [True]
    assert ["two" in line.message for _end, line in lines.Reader(path, end).read()] == [True]
    reader.close()


def test_a_reader_passes_over_what_is_no_event(record):
    """A line longer than any event does not stop it."""
    path = record(b"x" * 200_000 + b"\n" + event() + b"\n")
    reader = lines.Reader(path, 0)
    found = [line.reason for _ in range(6) for _end, line in reader.read()]
    assert "a.code" == found[-1]


def test_the_newest_lines(record):
    """Of all runs together, in their order; up to an offset of the last; none from before a time."""
    old = record(event(text="a", at=1000) + b"\n" + event(text="b", at=2000) + b"\n", "old")
    new = record(event("Low", text="c", at=3000) + b"\n" + event(text="d", at=4000) + b"\n", "new")

    def texts(most, wanted=ALL, end=None):
        return [line.message[-1] for line in lines.newest([new, old], most, wanted, end)]

    assert ["b", "c", "d"] == texts(3)
    assert ["a", "b", "d"] == texts(9, lines.wanted(0, ["sandbox"], "error"))
    assert ["b", "c", "d"] == texts(9, lines.wanted(1500, [], ""))
    assert ["a", "b", "c"] == texts(9, end=len(event("Low", text="c", at=3000)) + 1)


def test_what_is_wanted():
    """Levels in any spelling, sources by name; what there is not is refused with what there is."""
    line = lines.of_event(event("Low", at=5000))
    some = [lines.wanted(5000, [], "info"), lines.wanted(5001, [], ""), lines.wanted(0, ["gateway"], "")]
    assert [True, False, False, False] == [one.takes(line) for one in (*some, lines.wanted(0, [], "warn"))]
    assert [3, 3, 0] == [lines.wanted(0, (), name).level for name in ("warn", "WARNING", "")]
    with pytest.raises(UsageError, match="no log level 'loud'"):
        lines.wanted(0, (), "loud")
    with pytest.raises(UsageError, match="no log source 'kernel'"):
        lines.wanted(0, ("sandbox", "kernel"), "")


def test_what_the_gateway_has_to_say():
    """Of the past what is stored, in order; of a change what is new."""
    revisions = [
        Revision("01", 3, "c" * 64, "", "failed", "disk full", 5000, None, {}),
        Revision("01", 2, "b" * 64, "", "loaded", "", 4000, 4100, {}),
        Revision("01", 1, "a" * 64, "", "superseded", "", 1000, 1000, {}),
    ]
    past = [(line.time, line.level, line.reason) for line in lines.history(ROW, revisions)]
    expected = [(1000, "INFO", "Created"), (1000, "INFO", "PolicyLoaded"), (3000, "INFO", "MainStarted")]
    assert [*expected, (4100, "INFO", "PolicyLoaded"), (5000, "ERROR", "PolicyFailed")] == past
    lost = ROW.replace(phase="ERROR", message="its supervisor\nwas killed", policy_version=2)
    changed = lines.changes(ROW, lost, 9)
    assert ["PhaseError", "PolicyLoaded"] == [line.reason for line in changed]
    assert "sandbox demo is error: its supervisor\\nwas killed" == changed[0].message
    assert [] == lines.changes(ROW, ROW.replace(resource_version=2), 9)
