"""Run records: complete from the first instant, ours alone, and one live sandbox a name."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from pyopenshell import runs
from pyopenshell.errors import NameInUse, NoSuchSandbox, UsageError
from tests.unit.runs.harness import POLICY, create, fork, over, wait


def test_create_and_read(folder):
    """A record has the policy and what is known of the run from its first instant, and is found by name and by id."""
    run = create("demo", command=["true"])
    for view in (runs.find("demo"), runs.find(run.id), runs.list_runs()[0]):
        assert (run.id, "demo", str(folder / "runs" / run.id)) == (view.id, view.name, view.path)
        assert {"schema": "pyopenshell.run/1", "id": run.id, "name": "demo", "command": ["true"]} == view.meta()
        assert POLICY == view.policy_text()
        assert (None, None, None) == (view.effective(), view.receipt(), view.exit())
    assert view.events_path == f"{run.path}/events.jsonl"
    run.close()


def test_only_the_owner_may_look(folder):
    """Folders have mode 0700 and files 0600."""
    run = create("demo")
    run.write("effective.json", b"{}")
    for path in (folder, folder / "runs", folder / "names", Path(run.path)):
        assert path.stat().st_mode & 0o7777 == 0o700
    for path in Path(run.path).iterdir():
        assert path.stat().st_mode & 0o7777 == 0o600
    run.close()


def test_what_is_written_is_read():
    """JSON is read back as it was written, bytes that are not UTF-8 included; writing again replaces the file."""
    run = create()
    for value in ({"path": os.fsdecode(b"/tmp/\xff"), "n": 1, "list": [None, True]}, {"again": "é"}):
        run.write_json("effective.json", value)
        assert value == runs.find(run.id).effective()
    run.close()


def test_ids():
    """An id is a ULID: its first ten letters are the time in milliseconds, its end is random, and it sorts by time."""
    before = time.time_ns() // 1_000_000
    identifiers = [runs.new_id() for _ in range(100)]
    after = time.time_ns() // 1_000_000
    assert len({identifier[-12:] for identifier in identifiers}) == 100
    assert sorted(identifiers) == identifiers
    for identifier in identifiers:
        assert len(identifier) == 26
        digits = [f"{'0123456789ABCDEFGHJKMNPQRSTVWXYZ'.index(letter):05b}" for letter in identifier[:10]]
        assert before <= int("".join(digits), 2) <= after


def test_states():
    """A run is starting, then running, then exited; one whose supervisor died is lost."""
    run = create("demo")
    assert runs.find("demo").state == "starting"
    run.write_json("receipt.json", {})
    assert runs.find("demo").state == "running"
    run.write_json("exit.json", {"code": 0})
    assert runs.find("demo").state == "exited"
    run.close()
    assert runs.find("demo").state == "exited"

    def die():
        create("other")
        os.kill(os.getpid(), signal.SIGKILL)

    assert wait(fork(die)) == -signal.SIGKILL
    assert runs.find("other").state == "lost"


def test_an_executed_program_does_not_keep_a_run_alive():
    """The lock is closed on exec: what a supervisor leaves behind does not make its run look alive."""
    run = create("demo")
    left = subprocess.Popen(["cat"], stdin=subprocess.PIPE, close_fds=False)
    run.close()
    assert runs.find("demo").state == "lost"
    left.communicate(b"")


@pytest.mark.parametrize("name", ["a", "0", "a" * 63, "my-sandbox-2", "a-"])
def test_names(name):
    """Lower-case letters, digits and hyphens make a name."""
    assert over(name).name == runs.find(name).name


@pytest.mark.parametrize("name", ["", "-a", "a" * 64, "A", "a_b", "a.b", "..", ".", "a/b", "../x", "a\n", "é", "a b"])
def test_bad_names(name, folder):
    """Anything else is refused when a run is made, and unknown when one is looked for."""
    with pytest.raises(UsageError) as refused:
        create(name)
    assert refused.value.code == "name.invalid"
    assert not folder.exists()
    with pytest.raises(NoSuchSandbox):
        runs.find(name)


def test_generated_names():
    """A run without a name gets one that can be used as one, and that follows from its id."""
    run = over()
    assert run.name == runs.generated_name(run.id) == runs.find(run.name).name
    assert len({runs.generated_name(runs.new_id()) for _ in range(200)}) == 200
    given = runs.new_id()
    with_id = runs.create(None, POLICY, {}, run_id=given)
    assert given == with_id.id
    with_id.close()


def test_a_live_name_is_taken_and_a_dead_one_is_not():
    """A second live sandbox of a name is refused; after the first has ended, the name leads to the newer run."""
    first = create("demo")
    with pytest.raises(NameInUse) as refused:
        create("demo")
    assert refused.value.code == "sandbox.exists"
    first.close()
    second = over("demo")
    assert second.id == runs.find("demo").id
    assert [second.id, first.id] == [view.id for view in runs.list_runs()]


@pytest.mark.parametrize(("asked", "hint"), [("dmeo", "did you mean demo?"), ("x", "openshell sandbox list")])
def test_an_unknown_name(asked, hint):
    """A name nobody has is an error with exit code 3, and with the name that was perhaps meant."""
    over("demo")
    for verb in (runs.find, runs.delete):
        with pytest.raises(NoSuchSandbox) as unknown:
            verb(asked)
        assert unknown.value.exit_code == 3
        assert hint in str(unknown.value.hint)


def test_nothing_yet(folder):
    """Looking makes no folder."""
    assert runs.list_runs() == []
    with pytest.raises(NoSuchSandbox):
        runs.find("demo")
    assert not folder.exists()


def test_json_of_a_record_is_json():
    """Other programs can read the files: they are JSON, and strict."""
    run = over("demo")
    assert "demo" == json.loads((Path(run.path) / "meta.json").read_text(encoding="utf-8"))["name"]
