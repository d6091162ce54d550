"""Run records under fire: several at once, and killed before every single line."""

import os
import subprocess

import pytest

from pyopenshell import runs, state
from pyopenshell.errors import NameInUse, StateError
from tests.unit.runs.harness import POLICY, create, fork, killed_everywhere, leftovers, over, wait


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


def test_a_stuck_process_is_reported(monkeypatch):
    """A lock that is never let go is an error, not a command that hangs."""
    over("demo")
    monkeypatch.setattr(state, "_PATIENCE", 0.01)
    with runs.registry.Registry(), pytest.raises(StateError, match="held the lock"):
        create("other")
