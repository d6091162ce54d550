"""Run records that go: when asked, or when there are too many."""

import os
from pathlib import Path

import pytest

from pyopenshell import runs
from pyopenshell.errors import NameInUse, NoSuchSandbox, StateError, UsageError
from tests.unit.runs.harness import create, leftovers, over


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


def test_a_quarter_more_may_pile_up(monkeypatch):
    """Then all that are too many are removed at once: a removal makes later creations slow."""
    monkeypatch.setenv("OPENSHELL_KEEP_RUNS", "8")
    counts = []
    for _ in range(14):
        over()
        counts.append(len(runs.list_runs()))
    assert [*range(1, 12), 9, 10, 11] == counts


def test_who_is_in_a_hurry_removes_nothing(folder, monkeypatch):
    """Neither what is over nor what somebody left half done: that is for later, and then done in full."""
    monkeypatch.setenv("OPENSHELL_KEEP_RUNS", "1")
    (folder / "runs" / ".tmp-left").mkdir(parents=True)
    for _ in range(5):
        runs.create(None, "version: 1\n", {}, tidy=False).close()
    assert (5, True) == (len(runs.list_runs()), (folder / "runs" / ".tmp-left").exists())
    runs.tidy()
    assert (1, False) == (len(runs.list_runs()), (folder / "runs" / ".tmp-left").exists())


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
