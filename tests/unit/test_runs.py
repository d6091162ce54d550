"""Run records: whole at any instant, ours alone, one live sandbox a name, and gone when asked."""

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pyopenshell import runs, state
from pyopenshell.errors import NameInUse, NoSuchSandbox, OpenShellError, StateError, UsageError

POLICY = "version: 1\n"
TRACED = {runs.__file__, state.__file__, runs.registry.__file__}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A state folder of the test's own; returns ``<state>/openshell``, which does not exist yet."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("OPENSHELL_KEEP_RUNS", raising=False)
    return tmp_path / "openshell"


def create(name=None, **meta):
    """Begin a run."""
    return runs.create(name, POLICY, meta)


def over(name=None):
    """Begin a run and end it."""
    run = create(name)
    run.close()
    return run


def fork(action):
    """Do something in a forked process, which then ends; return its process id."""
    child = os.fork()
    if child == 0:
        code = 70
        try:
            action()
            code = 0
        except OpenShellError:
            code = 1
        finally:
            os._exit(code)
    return child


def wait(child):
    """Return the exit code of a forked process, or minus the signal that killed it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def killed_everywhere(action):
    """Do something in process after process, killed before its first line, its second, …; yield after each death."""
    for number in itertools.count(1):
        left = [number]

        def trace(frame, event, _argument, left=left):
            if frame.f_code.co_filename not in TRACED:
                return None
            if event == "line":
                left[0] -= 1
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
            return trace

        def traced(trace=trace):
            sys.settrace(trace)
            action()
            sys.settrace(None)

        if wait(fork(traced)) != -signal.SIGKILL:
            assert number > 10
            return
        yield number


def leftovers(folder):
    """Return what is half done in the state folder."""
    return [path.name for path in (*(folder / "runs").iterdir(), *(folder / "names").iterdir()) if path.name[0] == "."]


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


def test_one_of_eight_wins():
    """Eight processes that create one name at once: one gets it, and the others are told that it is taken."""
    gate, opening = os.pipe()
    hold, letting_go = os.pipe()
    answers, answer = os.pipe()

    def contend():
        os.close(opening)
        os.close(letting_go)
        os.read(gate, 1)
        try:
            create("demo")
            os.write(answer, b"w")
            os.close(answer)
            os.read(hold, 1)  # alive until all the others have had their answer
        except NameInUse:
            os.write(answer, b"l")

    children = [fork(contend) for _ in range(8)]
    os.close(answer)
    os.close(opening)
    told = b"".join(iter(lambda: os.read(answers, 1), b""))
    os.close(letting_go)
    assert [wait(child) for child in children] == [0] * 8
    assert sorted(told) == sorted(b"wlllllll")
    assert len(runs.list_runs()) == 1
    for fd in (gate, hold, answers):
        os.close(fd)


def test_names_made_up_at_once_differ():
    """Four processes make five runs each at the same time; all twenty are there under names of their own."""
    children = [fork(lambda: [over() for _ in range(5)]) for _ in range(4)]
    assert [wait(child) for child in children] == [0] * 4
    assert len({view.name for view in runs.list_runs()}) == 20


def test_killed_while_creating(folder):
    """Killed at any line, a creation leaves a whole record or none; the next one works, and clears what is left."""
    over("demo")
    for _ in killed_everywhere(lambda: create("demo")):
        for view in runs.list_runs():
            assert (view.meta()["name"], POLICY, "lost") == (view.name, view.policy_text(), view.state)
        assert runs.find("demo").id == runs.list_runs()[0].id
    over("other")
    assert leftovers(folder) == []


def test_killed_at_the_very_first_run(folder):
    """The same, where the state folder is not there yet."""
    for _ in killed_everywhere(lambda: create("demo")):
        for view in runs.list_runs():
            assert "demo" == view.meta()["name"]
        subprocess.run(["rm", "-rf", folder], check=True)


def test_killed_while_writing():
    """Killed at any line, writing leaves the file as it was or as it should be."""
    run = create("demo")
    values = [{"old": "x" * 9000}, {"new": "y" * 20000}]
    run.write_json("effective.json", values[0])
    for _ in killed_everywhere(lambda: run.write_json("effective.json", values[1])):
        assert runs.find("demo").effective() in values
    assert values[1] == runs.find("demo").effective()
    run.close()


def test_killed_while_deleting(folder):
    """Killed at any line, deleting leaves each record whole or gone, and can be done again."""
    for _ in range(3):
        over("demo")
    kept = over("kept")
    for _ in killed_everywhere(lambda: runs.delete("demo")):
        for view in runs.list_runs():
            assert (view.meta()["name"], POLICY) == (view.name, view.policy_text())
        if len(runs.list_runs()) < 2:
            for _ in range(3):
                over("demo")
        assert runs.find("demo").id == next(view.id for view in runs.list_runs() if view.name == "demo")
    assert [kept.id] == [view.id for view in runs.list_runs()]
    over("other")
    assert leftovers(folder) == []


def test_delete_by_name():
    """Deleting a name removes all its runs and the name, and nothing else."""
    first, second, other = over("demo"), over("demo"), over("other")
    assert (second.id, first.id) == runs.delete("demo")
    with pytest.raises(NoSuchSandbox):
        runs.find("demo")
    assert [other.id] == [view.id for view in runs.list_runs()]


def test_delete_by_id(folder):
    """Deleting one run by its id leaves the others; the name leads to the newest that is left."""
    first, second, third = over("demo"), over("demo"), over("demo")
    runs.delete(third.id)
    assert (second.id, f"../runs/{second.id}") == (runs.find("demo").id, os.readlink(folder / "names" / "demo"))
    runs.delete(first.id)
    assert second.id == runs.find("demo").id


def test_a_live_run_is_not_deleted():
    """A live run stays, with the dead ones of its name; those can be deleted by their ids."""
    first, second = over("demo"), create("demo")
    for what in ("demo", second.id):
        with pytest.raises(NameInUse) as refused:
            runs.delete(what)
        assert refused.value.code == "sandbox.running"
    assert (first.id,) == runs.delete(first.id)
    assert second.id == runs.find("demo").id
    second.close()


def test_delete_does_not_follow_links(folder, tmp_path):
    """A link inside a record is removed, and what it leads to is not."""
    run = over("demo")
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "file").write_text("mine")
    (Path(run.path) / "link").symlink_to(victim)
    (Path(run.path) / "folder").mkdir()
    (Path(run.path) / "folder" / "link").symlink_to(victim / "file")
    runs.delete("demo")
    assert (victim / "file").read_text() == "mine"
    assert leftovers(folder) == []


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


def test_prune(folder):
    """The newest of those that are over are kept, the live ones always, and names of the removed are gone."""
    live = create("live")
    dead = [over(f"dead-{number}") for number in range(5)]
    runs.prune(2)
    assert {live.id, dead[3].id, dead[4].id} == {view.id for view in runs.list_runs()}
    assert {"live", "dead-3", "dead-4"} == {path.name for path in (folder / "names").iterdir()}
    runs.prune(0)
    assert [live.id] == [view.id for view in runs.list_runs()]
    live.close()


@pytest.mark.parametrize(("setting", "kept"), [("0", 0), ("3", 3), (None, 8)])
def test_retention(setting, kept, monkeypatch):
    """Every creation removes what is beyond the setting; the default keeps a hundred."""
    for _ in range(8):
        over()
    if setting is not None:
        monkeypatch.setenv("OPENSHELL_KEEP_RUNS", setting)
    last = over()
    views = runs.list_runs()
    assert (kept + 1, last.id) == (len(views), views[0].id)
    assert runs.KEEP_RUNS == 100


@pytest.mark.parametrize("setting", ["", "-1", "many", "1.5", "٣", "9" * 5000])
def test_bad_retention(setting, monkeypatch, folder):
    """A setting that is no number is refused before anything is made."""
    monkeypatch.setenv("OPENSHELL_KEEP_RUNS", setting)
    with pytest.raises(UsageError, match="OPENSHELL_KEEP_RUNS"):
        create()
    assert not folder.exists()


@pytest.mark.parametrize("content", [None, b"", b"{", b"[1]", b"3", b"\xff", b"{}"])
def test_a_spoilt_record(content):
    """A record that lost its ``meta.json`` is still listed, under its id, and can be deleted."""
    over("demo")
    run = over("spoilt")
    meta = Path(run.path) / "meta.json"
    meta.unlink() if content is None else meta.write_bytes(content)
    assert {run.id, "demo"} == {view.name for view in runs.list_runs()}
    if content != b"{}":
        with pytest.raises(StateError):
            runs.find(run.id).meta()
    assert (run.id,) == runs.delete(run.id)
    assert runs.find("demo").name == "demo"


def test_strangers_are_left_alone(folder):
    """What is no run is neither listed nor removed."""
    over("demo")
    (folder / "runs" / "notes.txt").write_text("mine")
    (folder / "runs" / ("U" * 26)).mkdir()  # no letter of a ULID
    runs.prune(0)
    assert {"notes.txt", "U" * 26} == {path.name for path in (folder / "runs").iterdir()}


def test_a_stuck_process_is_reported(monkeypatch):
    """A lock that is never let go is an error, not a command that hangs."""
    over("demo")
    monkeypatch.setattr(state, "_PATIENCE", 0.01)
    with runs.registry.Registry(), pytest.raises(StateError, match="held the lock"):
        create("other")


def test_json_of_a_record_is_json():
    """Other programs can read the files: they are JSON, and strict."""
    run = over("demo")
    assert "demo" == json.loads((Path(run.path) / "meta.json").read_text(encoding="utf-8"))["name"]
