"""``openshell policy diff``: where the two policies come from, what it says of bad ones, and its exit codes."""

import io
import json
import os
import sys

import pytest
from tests.unit.cli.cases import IDS, effective, make_state, transcript, weaker

from pyopenshell.cli import output


@pytest.fixture
def state(tmp_path, monkeypatch):
    """Give a state folder with the hand-made records, and work in it."""
    make_state(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ended(state, *argv):
    """Return the exit code of a comparison, after checking that no traceback was printed."""
    shown = transcript(["policy", "diff", *argv], state)
    assert "Traceback" not in shown
    return int(shown.rsplit(" ", 1)[1]), shown


@pytest.mark.parametrize("name", ["demo", IDS["demo"], "STATE/weaker.json", "./weaker.json", "weaker.json"])
def test_the_same(state, name):
    """A name, an id, a file: each is the same as itself."""
    code, shown = ended(state, name, name)
    assert 0 == code
    assert "\nthe same\n" in shown
    assert json.loads(ended(state, name, name, "-o", "json")[1].split("\n", 1)[1].rsplit("---", 1)[0])["same"]


@pytest.mark.parametrize("argv", [("demo", "-"), ("-", "demo")])
def test_standard_input(state, tmp_path, argv):
    """One of the two may be ``-``."""
    saved = os.dup(0)
    try:
        with open(tmp_path / "weaker.json", "rb") as file:
            os.dup2(file.fileno(), 0)
        code, shown = ended(state, *argv)
    finally:
        os.dup2(saved, 0)
        os.close(saved)
    assert 1 == code
    assert f"{'looser' if argv[1] == '-' else 'tighter'} isolation pid" in shown
    assert "standard input: sandbox demo" in shown


@pytest.mark.parametrize(
    ("argv", "code", "why"),
    [
        (("-", "-"), 2, "policy diff: standard input can be only one of the two"),
        (("demo",), 2, "policy diff: the following arguments are required: B"),
        (("demo", "nobody"), 3, "there is no sandbox 'nobody'"),
        (("demo", ""), 3, "there is no sandbox ''"),
        (("demo", "openshell"), 3, "there is no sandbox 'openshell'"),
        (("demo", "early"), 4, "sandbox early: it has no effective policy: its launch did not get that far"),
        (("demo", "no.json"), 4, "cannot read no.json: No such file or directory"),
        (("demo", "."), 4, "cannot read .: Is a directory"),
        (("demo", "nul.\0"), 4, "cannot read nul.\\x00: embedded null byte"),
        (("demo", "/dev/zero"), 4, "/dev/zero: it has more than 16 MiB"),
        (("demo", "/dev/null"), 4, "/dev/null: it is empty"),
        (("demo", "cut.json"), 4, "cut.json: it is no JSON, or was cut short: "),
        (("demo", "changed.json"), 4, "changed.json: its digest does not fit what it says"),
    ],
)
def test_mistakes(state, argv, code, why):
    """One line that names the file, a hint, and the exit code that the page promises."""
    text = json.dumps(effective("demo", "exited").as_dict())
    (state / "cut.json").write_text(text[:-40])
    (state / "changed.json").write_text(text.replace('"uid": 61184', '"uid": 0'))
    found, shown = ended(state, *argv)
    assert code == found
    assert f"--- stderr\nopenshell: {why}" in shown
    assert "\nhint: " in shown


def test_a_name_goes_before_a_file(state):
    """What can be a name is one, where a sandbox has it; else it is a file, and ``./`` always makes it one."""
    for name in ("demo", "plain"):
        (state / name).write_text(json.dumps(weaker().as_dict()))
    assert 0 == ended(state, "demo", "demo")[0]
    assert 1 == ended(state, "demo", "plain")[0]
    assert 1 == ended(state, "demo", "./demo")[0]


def test_a_damaged_record(state):
    """A run whose effective policy was changed is not compared."""
    path = state / "openshell" / "runs" / IDS["demo"] / "effective.json"
    path.write_text(path.read_text().replace('"abi": 7', '"abi": 9'))
    assert "openshell: sandbox demo: its digest does not fit" in ended(state, "demo", "failed")[1]


def test_colours_on_a_terminal(state, monkeypatch):
    """On a terminal the direction has a colour; in a pipe nothing has."""

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    output.paragraph("right ioctl_dev", mark="looser")
    assert "\x1b[31mlooser" in terminal.getvalue()
    assert "\x1b" not in ended(state, "demo", "weaker.json")[1]
