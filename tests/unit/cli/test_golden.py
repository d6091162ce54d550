"""What the verbs print on stored records, held against files; and the same records seen through other doors."""

from __future__ import annotations

import json

import pytest
import yaml
from tests.unit.cli import cases
from tests.unit.cli.cases import COMMANDS, GOLDEN, POLICY, effective, make_state, transcript


@pytest.fixture
def state(tmp_path):
    """Give a state folder with the hand-made records."""
    make_state(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", COMMANDS)
def test_output_is_the_golden_one(state, name):
    """Output and exit code are those of the file; ``python -m tests.unit.cli.regenerate`` writes it anew."""
    assert (GOLDEN / f"{name}.txt").read_text(encoding="utf-8") == transcript(COMMANDS[name], state)


def test_no_golden_file_is_left_over():
    """Every golden file belongs to a command line."""
    assert sorted(COMMANDS) == sorted(path.stem for path in GOLDEN.iterdir())


def test_nothing_printed_can_steer_a_terminal(state):
    """The records hold escape sequences and a direction override; none gets through, in any form."""
    for argv in COMMANDS.values():
        assert "" == "".join(c for c in transcript(argv, state) if not c.isprintable() and c != "\n")


@pytest.mark.parametrize(("form", "load"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_full_policy_is_the_documented_shape(state, form, load):
    """``--full -o`` prints the stored effective policy whole, and nothing else; its state is today's."""
    shown = transcript(["policy", "get", "demo", "--full", "-o", form], state).split("\n", 1)[1]
    assert effective("demo", "exited").as_dict() == load(shown.rsplit("--- exit", 1)[0])


def test_base_is_the_stored_file(state):
    """``--base`` is byte for byte what was given."""
    assert f"$ openshell policy get demo --base\n{POLICY}--- exit code 0\n" == transcript(
        ["policy", "get", "demo", "--base"], state
    )


def test_delete_one_run_all_runs_of_a_name_then_everything(state):
    """A run goes by its id, a sandbox by its name; ``--all`` takes the rest; what is gone is unknown."""
    assert f"deleted {cases.IDS['old']}\n--- exit code 0" in transcript(["sandbox", "delete", cases.IDS["old"]], state)
    assert "deleted demo\n--- exit code 0" in transcript(["sandbox", "delete", "demo"], state)
    assert "--- exit code 3" in transcript(["sandbox", "inspect", "demo"], state)
    assert "--- exit code 0" in transcript(["sandbox", "delete", "--all"], state)
    assert "no sandboxes yet" in transcript(["sandbox", "list"], state)
    assert "\n[]\n" in transcript(["sandbox", "list", "-o", "json"], state)


def test_delete_goes_on_after_a_failure(state):
    """An unknown name is reported and sets the exit code, but the other sandboxes are removed."""
    shown = transcript(["sandbox", "delete", "nobody", "demo"], state)
    assert "deleted demo (2 runs)\n" in shown
    assert shown.endswith("--- exit code 3\n")


@pytest.mark.parametrize("argv", [["sandbox", "delete"], ["sandbox", "delete", "demo", "--all"]])
def test_delete_wants_names_or_all(state, argv):
    """Neither and both are usage errors, and nothing is removed."""
    assert transcript(argv, state).endswith("--- exit code 2\n")
    assert "--- exit code 0" in transcript(["sandbox", "get", "demo"], state)


@pytest.mark.parametrize("name", ["../demo", "", "a/b", "\x1b[2J", "x" * 5000, "demo\n", "."])
@pytest.mark.parametrize("verb", ["get", "inspect", "delete"])
def test_names_that_cannot_be(state, verb, name):
    """A name that no sandbox can have is an unknown sandbox: exit code 3, nothing raw on the terminal."""
    shown = transcript(["sandbox", verb, name], state).split("\n--- stderr")[-1]
    assert shown.endswith("--- exit code 3\n")
    assert "" == "".join(c for c in shown if not c.isprintable() and c != "\n")


def test_a_damaged_record_does_not_hide_the_others(state):
    """A record without its meta.json, or with half a file, is a row; inspecting it says what is wrong."""
    run = state / "openshell" / "runs" / cases.IDS["failed"]
    (run / "meta.json").write_text("{")
    shown = transcript(["sandbox", "list"], state)
    assert f"{cases.IDS['failed']}  unreadable" in shown
    assert "demo" in shown
    assert transcript(["sandbox", "inspect", cases.IDS["failed"]], state).endswith("--- exit code 4\n")
