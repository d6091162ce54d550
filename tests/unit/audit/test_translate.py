"""Building events: which there are, how severe, and what never gets into them. The schema is held elsewhere."""

import json
import os
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyopenshell.audit import context, translate
from pyopenshell.effective.model import Finding, Origin
from pyopenshell.policy.access import READ_ONLY
from tests.conformance import make_golden as sample

PROCESS_BASELINE = Origin("baseline", "process")
THREAD_NAMES = Origin("runtime", "cuda-thread-names")


def only(*grants):
    """Return the events for a policy with these grants."""
    return translate.enrichments(sample.effective().replace(grants=grants), sample.CONTEXT)


def test_every_undeclared_grant_has_an_event():
    """Each grant the operator did not declare is told, whole and in order; declared ones are not."""
    policy = sample.effective()
    expected = [grant.as_dict() for grant in policy.grants if grant.origin.kind != "declared"]
    assert expected == [event["unmapped"]["grant"] for event in translate.enrichments(policy, sample.CONTEXT)]
    assert len(expected) == len(policy.grants) - 1


@pytest.mark.parametrize(
    ("kind", "addition", "state"),
    [
        ("workdir", False, "Enriched"),
        ("baseline", False, "Enriched"),
        ("cdi", False, "Enriched"),
        ("runtime", True, "Added"),
        ("contributor", True, "Added"),
    ],
)
def test_runtime_additions_stand_out(kind, addition, state):
    """What the runtime added on its own account can be told from a baseline, by people and by machines."""
    (event,) = only(sample.grant(Origin(kind, "x"), "/opt", READ_ONLY, "It is needed"))
    assert addition == event["unmapped"]["runtime_addition"]
    assert state == event["state"]
    assert event["message"].startswith("Runtime addition" if addition else "Enrichment")


@pytest.mark.parametrize("part", ["write_file", "/proc/self", "/proc", "runtime/cuda-thread-names", "It is needed"])
def test_the_message_names_everything(part):
    """Path, rights, origin and reason all stand in the message."""
    (event,) = only(sample.grant(THREAD_NAMES, "/proc/self", ("write_file",), "It is needed"))
    assert part in event["message"]


@pytest.mark.parametrize(
    ("severity", "origin", "path", "access", "more"),
    [
        ("High", THREAD_NAMES, "/proc", ("write_file",), {}),
        ("High", PROCESS_BASELINE, "/proc/sys", ("write_file",), {}),
        ("High", THREAD_NAMES, "/opt/p", ("write_file",), {"resolved": "/proc"}),
        ("Low", THREAD_NAMES, "/proc/*/comm", ("write_file",), {"mechanism": "broker"}),
        ("Informational", THREAD_NAMES, "/proc", ("write_file",), {"status": "skipped"}),
        ("Low", Origin("contributor", "x"), "/processes", ("write_file",), {}),
        ("Informational", PROCESS_BASELINE, "/proc", READ_ONLY, {}),
        ("Informational", Origin("workdir"), "/home/ada", ("write_file",), {}),
    ],
)
def test_severity_of_a_grant(severity, origin, path, access, more):
    """A Landlock right to write beneath /proc is High; other additions are Low; baselines are Informational."""
    (event,) = only(sample.grant(origin, path, access, "It is needed", **more))
    assert severity == event["severity"]


@pytest.mark.parametrize(
    ("status", "number", "word", "allowed"),
    [
        ("enforced", 1, "Success", True),
        ("covered", 99, "Covered", True),
        ("blocked", 99, "Blocked", True),
        ("skipped", 99, "Skipped", False),
        ("planned", 99, "Planned", False),
    ],
)
def test_status_of_a_grant(status, number, word, allowed):
    """Only what the kernel enforces is a success, and only what gives access is called allowed."""
    (event,) = only(sample.grant(PROCESS_BASELINE, "/opt", READ_ONLY, "It is needed", status=status))
    assert (number, word) == (event["status_id"], event["status"])
    assert allowed == ("action_id" in event)


@pytest.mark.parametrize(
    ("failed", "changes"),
    [
        ([], {}),
        (["uid"], {"supervisor_checks": [{"name": "uid", "expected": "1", "observed": "0", "ok": False}]}),
        (["supervisor"], {"supervisor_checks": []}),
        (["canary"], {"canary": {"path": "/", "errno": 0}}),
        (["canary"], {"canary": {"path": "/", "errno": 2}}),
        (["canary"], {"canary": None}),
    ],
)
def test_enforcement_fails_closed(failed, changes):
    """A check that does not hold, that was not made, or a canary not denied with EACCES makes it a High failure."""
    event = translate.enforcement(sample.effective(), sample.receipt() | changes, sample.CONTEXT)
    assert failed == event["unmapped"]["checks"]["failed"]
    expected = ("Failure", "High") if failed else ("Success", "Informational")
    assert expected == (event["status"], event["severity"])


def test_enforcement_tells_what_is_dropped():
    """The ABI, the rights handled and those dropped are in the event, as the effective policy has them."""
    policy = sample.effective()
    event = translate.enforcement(policy, sample.receipt(), sample.CONTEXT)
    assert policy.landlock.as_dict() == event["unmapped"]["landlock"]
    assert sample.receipt()["effective_digest"] == event["unmapped"]["effective_digest"]


def test_environment_values_never_appear():
    """A value that slipped in behind a name is cut off; names are kept."""
    process = sample.PROCESS.replace(environment=("API_TOKEN=hunter2", "PATH"))
    event = translate.launched(process, sample.CONTEXT)
    assert ["API_TOKEN", "PATH"] == event["unmapped"]["environment_names"]
    assert "hunter2" not in json.dumps(event)


@pytest.mark.parametrize(
    ("how", "code", "signal", "words"),
    [
        ({}, 0, None, "exited with 0"),
        ({"code": 3}, 3, None, "exited with 3"),
        ({"signal": 9}, 137, 9, "killed by signal 9"),
        ({"code": 137, "signal": 9}, 137, 9, "killed by signal 9"),
    ],
)
def test_exit(how, code, signal, words):
    """An exit has its code, a signal 128 more than its number, and both the time they took."""
    event = translate.exited(sample.PROCESS, sample.CONTEXT.replace(time=sample.TIME + 65), **how)
    assert (code, signal) == (event["exit_code"], event["unmapped"]["signal"])
    assert words in event["message"]
    assert (sample.TIME + 5, sample.TIME + 65, 60) == (event["start_time"], event["end_time"], event["duration"])


def test_launch_failure():
    """A launch that failed is a failure with its reason, even before there is a process id."""
    event = translate.launched(sample.PROCESS.replace(pid=None), sample.CONTEXT, failure="no such folder")
    assert ("Failure", "no such folder") == (event["status"], event["status_detail"])
    assert "pid" not in event["process"]


@given(st.lists(st.text(st.characters(exclude_characters="\0")), min_size=1))
def test_command_line_can_be_read_back(argv):
    """A shell would take the command line apart into the same arguments."""
    assert argv == shlex.split(translate.command_line(tuple(argv)))


@pytest.mark.parametrize(
    ("length", "cut"), [(translate.COMMAND_LINE_LIMIT, False), (translate.COMMAND_LINE_LIMIT + 1, True)]
)
def test_long_command_lines_are_cut(length, cut):
    """A line that is too long is cut, and the event says so and how long it was."""
    event = translate.launched(sample.PROCESS.replace(argv=("a" * length,)), sample.CONTEXT)
    assert translate.COMMAND_LINE_LIMIT == len(event["process"]["cmd_line"])
    assert cut == event["metadata"].get("is_truncated", False)
    assert (length if cut else None) == event["unmapped"].get("cmd_line_length")


@pytest.mark.parametrize(
    ("severity", "alert"),
    [("Informational", False), ("Low", False), ("Medium", False), ("High", True), ("Critical", True)],
)
def test_findings(severity, alert):
    """A finding keeps its code and severity; from High on it is an alert. Hint and grant appear where there are any."""
    event = translate.finding(Finding("a.code", severity, "Something is weaker"), sample.CONTEXT)
    assert ("a.code", "Something is weaker") == (event["finding_info"]["uid"], event["finding_info"]["title"])
    assert (severity, alert) == (event["severity"], event["is_alert"])
    assert not {"remediation", "resources"} & event.keys()
    about = translate.finding(Finding("a.code", severity, "Weaker", "do this", "workdir:/x"), sample.CONTEXT)
    assert ("do this", "workdir:/x") == (about["remediation"]["desc"], about["resources"][0]["uid"])
    assert "01KDYKEVJE0123456789ABCDEF:a.code:workdir:/x" == about["finding_info"]["uid_alt"]


def test_here(monkeypatch):
    """The surroundings are this process's own; a caller without an account is named by its number."""
    found = context.here("demo", "01KDYKEVJE0123456789ABCDEF")
    assert ("demo", os.getpid(), os.uname().nodename) == (found.sandbox, found.pid, found.hostname)
    assert found.time <= found.now().time <= context.now()
    monkeypatch.setattr("os.getuid", lambda: 4_000_000_000)
    assert "4000000000" == context.here("demo", "x").user
