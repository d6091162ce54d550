"""What a sandbox of the zygote leaves behind, and what others see of it: the same as of ``openshell run``."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

from pyopenshell import Sandbox, runs
from tests.conformance import test_ocsf

POLICY = """
version: 1
# a comment, which is kept
filesystem_policy:
  include_workdir: true
  read_only: [/etc, /no/such/folder]
  read_write: [/proc]
"""
FILES = ("meta.json", "policy.yaml", "effective.json", "receipt.json", "events.jsonl", "events.log", "exit.json")
OWN = {
    # of this run
    *("id", "run_id", "digest", "effective_digest", "correlation_uid", "uid_alt", "uid", "original_time", "tenant_uid"),
    # of this moment and this process
    *("time", "logged_time", "started", "created_time", "terminated_time", "start_time", "end_time", "duration"),
    *("supervisor_pid", "owner_pid", "pid", "namespace_pid", "namespaces", "dev", "ino", "total"),
    # of a run with one program, or with several
    *("command", "executable", "programs", "exec_errno", "profiles"),
}
"""Keys by which two runs of one policy differ."""
COMMAND = "baseline/command"


def common(value):
    """Return what two runs have in common, but for the grants of the command, which a sandbox for many has not."""
    if isinstance(value, dict):
        return {name: common(item) for name, item in value.items() if name not in OWN}
    if isinstance(value, list):
        return [common(item) for item in value if COMMAND not in json.dumps(item)[:2000] or not _is_grant(item)]
    return value


def _is_grant(item):
    return isinstance(item, dict) and ("grant" in item or "origin" in item or "grant" in item.get("unmapped", ()))


@pytest.fixture
def policy(tmp_path):
    """A policy in a file."""
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY)
    return path


@pytest.fixture
def alike(openshell, options, policy):
    """The records of three runs of one policy: by the command, the first and the second of a zygote."""
    arguments = [] if options["max_abi"] is None else ["--max-abi", options["max_abi"]]
    done = openshell("run", "--name", "alike", *arguments, "--policy", policy, "--", "/usr/bin/env", "false")
    assert 1 == done.returncode, done.stderr
    records = [read(runs.find("alike").path)]
    for _ in range(2):
        with Sandbox(policy, name="alike", programs=(), **options) as box:
            assert 1 == box.run(["/usr/bin/env", "false"]).exit
        records.append(read(box.record))
    return records


def read(folder):
    """Return the files of a record."""
    return {name: pathlib.Path(folder, name).read_text(encoding="utf-8") for name in FILES}


def events(record):
    """Return a record's events."""
    return [json.loads(line) for line in record["events.jsonl"].splitlines()]


@pytest.mark.parametrize("name", ["effective.json", "receipt.json", "meta.json"])
def test_a_record_says_the_same(alike, name):
    """Whoever made it, and whether it was the first or made by the plan of another."""
    cold, first, second = [json.loads(record[name]) for record in alike]
    for one in (first, second):
        if name == "receipt.json":  # whose bounding set is looked at is another matter
            kept = {check["name"]: check for check in cold.pop("supervisor_checks", ())}
            assert all(check["ok"] for check in one["supervisor_checks"])
            assert set(kept) - {"CapBnd"} <= {check["name"] for check in one["supervisor_checks"]} | {"CapBnd"}
            del one["supervisor_checks"]
        assert common(cold) == common(one)
    if name != "meta.json":
        digest = "digest" if name == "effective.json" else "effective_digest"
        assert first[digest] == second[digest] == json.loads(alike[2]["effective.json"])["digest"]


def test_the_policy_is_kept_as_it_was_written(alike):
    """With its comments."""
    assert [POLICY] * 3 == [record["policy.yaml"] for record in alike]


def test_the_same_events_in_the_same_order(alike):
    """Of grants, findings, the sandbox's beginning and end, and its programs; and a line for people for each."""
    cold, first, second = [[common(event) for event in events(record)] for record in alike]
    shown = []
    for told in (cold, first, second):
        shown.append([event for event in told if COMMAND not in json.dumps(event)])
        for event in shown[-1]:
            for text in ("message", "status_detail"):
                event.pop(text, None)
            event["unmapped"].pop("rules", None)
            event.get("finding_info", {}).pop("title", None)
    assert shown[1] == shown[2]
    assert [event["metadata"]["event_code"] for event in shown[0]] == [
        event["metadata"]["event_code"] for event in shown[1]
    ]
    for cold_event, warm_event in zip(shown[0], shown[1], strict=True):
        assert cold_event == warm_event
    for record in alike:
        assert len(record["events.jsonl"].splitlines()) == len(record["events.log"].splitlines())


def test_events_are_those_of_the_schema(alike):
    """Unknown attributes are errors in it; a program's number in the sandbox is one of them, and documented."""
    told = [event for record in alike[1:] for event in events(record)]
    assert [] == [error for event in told for error in test_ocsf.errors(event)]
    (launch, *_) = [event for event in told if event["metadata"]["event_code"] == "process.launch"]
    assert launch["process"]["namespace_pid"] > 1
    assert "namespace_pid" in test_ocsf.DOCUMENT


def test_programs_are_told_of(options):
    """Each with its words, variables by name, folder, and end; also one that could not be started."""
    with Sandbox(**options) as box:
        box.run(["/bin/sh", "-c", "exit 3"], env={"SECRET": "value"}, cwd="/usr")
        box.run(["/bin/sh", "-c", "kill -9 $$"])
        try:
            box.run(["no-such-program"])
        except Exception as error:
            why = str(error)
    found = read(box.record)
    launched = [event for event in events(found) if event["metadata"]["event_code"] == "process.launch"]
    ended = [event for event in events(found) if event["metadata"]["event_code"] == "process.exit"]
    assert ["/usr", str(options["workdir"])] == [one["process"]["working_directory"] for one in launched[:2]]
    assert "SECRET" in launched[0]["unmapped"]["environment_names"]
    assert "SECRET" not in launched[1]["unmapped"]["environment_names"]
    assert "value" not in found["events.jsonl"]
    assert [(3, None), (137, 9)] == [(one["exit_code"], one["unmapped"]["signal"]) for one in ended]
    assert ("Failure", why) == (launched[2]["status"], launched[2]["status_detail"])
    exits = json.loads(found["exit.json"])
    assert (0, 3) == (exits["code"], exits["programs"])


def fill(path):
    """Write until there is no room any more. Raises OSError."""
    with open(path, "wb", buffering=0) as filler:
        while True:
            filler.write(bytes(4096))


VERBS = {
    "policy": ("policy", "get", "NAME", "--full", "-o", "json"),
    "inspect": ("sandbox", "inspect", "NAME", "-o", "json"),
    "list": ("sandbox", "list", "-o", "json"),
    "logs": ("logs", "NAME", "-o", "json"),
    "why": ("why", "/etc/shadow", "--name", "NAME", "-o", "json"),
    "verify": ("sandbox", "verify", "NAME", "-o", "json"),
}


@pytest.mark.parametrize("used", [False, True], ids=["nothing has run", "something runs"])
@pytest.mark.parametrize("verb", VERBS)
def test_other_processes_see_it(options, verb, used):
    """Every verb that takes a name, from another process, while it lives; it goes on afterwards."""
    with Sandbox(name="seen", **options) as box:
        process = box.popen(["sleep", "1000"]) if used else None
        words = [word.replace("NAME", "seen") for word in VERBS[verb]]
        done = subprocess.run(
            [sys.executable, "-m", "pyopenshell", *words], capture_output=True, text=True, timeout=120, check=False
        )
        assert "" == done.stderr
        assert done.returncode == (1 if verb == "why" else 0)
        if verb == "logs":
            assert "sandbox.start" in done.stdout
        else:
            told = json.loads(done.stdout)
            if verb == "policy":
                assert json.loads(json.dumps(box.effective.as_dict())) == told.get("effective", told)
            elif verb == "list":
                assert [box.run_id] == [one["id"] for one in told if (one["name"], one["state"]) == ("seen", "running")]
            elif verb == "verify":
                assert "as reported" == told["verdict"], told["findings"]
            else:
                assert "seen" in done.stdout
        assert "goes on\n" == box.run(["echo", "goes on"]).stdout
        if process:
            process.kill()


def test_a_full_disk_does_not_end_it(options, monkeypatch, tmp_path):
    """What cannot be written of a program is told when the sandbox is closed; nothing else comes of it."""
    if os.geteuid() != 0:
        pytest.skip("needs: root")
    place = tmp_path / "state"
    place.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k,mode=700", "tmpfs", place], check=True)
    try:
        monkeypatch.setenv("XDG_STATE_HOME", str(place))
        box = Sandbox(**options).start()
        with pytest.raises(OSError, match="space"):
            fill(place / "filler")
        for _ in range(50):
            assert box.run(["/bin/true"], env={"V" * 200: "x"}).ok
        with pytest.warns(RuntimeWarning, match="the disk is full|No space"):
            box.close()
    finally:
        subprocess.run(["umount", "-l", place], check=True)
