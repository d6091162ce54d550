"""The sandbox that the doctor launches: what comes back of it, whatever the command does."""

import os
import sys
import tempfile

import pytest
from tests.unit.devices.anyone import as_anyone

from pyopenshell.cli.doctor import launched
from pyopenshell.cli.doctor.launched import Launched


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Put a program of ours in the place of the command; its argument is the code it runs."""
    monkeypatch.setattr(launched, "_folder", lambda: str(tmp_path / "trial"))

    def run(code):
        os.makedirs(tmp_path / "trial", exist_ok=True)
        script = tmp_path / "command.py"
        script.write_text(f"import json, os, sys, time\n{code}\n")
        monkeypatch.setattr(launched, "COMMAND", str(script))
        found = launched.launch("--gpu", "1")
        assert not (tmp_path / "trial").exists()
        return found

    return run


SAVES = """\
state = os.environ["XDG_STATE_HOME"]
os.makedirs(f"{state}/openshell/runs/1")
with open(f"{state}/openshell/runs/1/effective.json", "w") as file:
    file.write(CONTENT)
"""


def test_what_is_run(command, monkeypatch):
    """The command itself, quietly, in a folder of its own with the caller's environment; its report comes back."""
    told = '{"argv": sys.argv[1:], "cwd": os.getcwd(), "debug": "OPENSHELL_DEBUG" in os.environ, "x": os.environ["X"]}'
    monkeypatch.setenv("OPENSHELL_DEBUG", "1")
    monkeypatch.setenv("X", "y")
    found = command(SAVES.replace("CONTENT", f"json.dumps({told})"))
    assert (0, None) == (found.code, found.error)
    assert ["run", "-q", "-o", "json", "--gpu", "1", "--", launched._true()] == found.effective["argv"]
    assert (False, "y") == (found.effective["debug"], found.effective["x"])
    assert "work" == os.path.basename(found.effective["cwd"])


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("pass", ""),
        (
            'print(json.dumps({"error": {"code": "a.b", "message": "odd"}}), file=sys.stderr); sys.exit(125)',
            "odd [a.b]",
        ),
        ('print("first\\nlast", file=sys.stderr); sys.exit(1)', "last [unknown]"),
        ('print("[1]", file=sys.stderr); sys.exit(1)', "[1] [unknown]"),
        ("sys.exit(3)", "it ended with exit code 3"),
        ("os.kill(os.getpid(), 9)", "it ended with exit code -9"),
        ("os.write(2, b'\\xff\\0' * 10); sys.exit(1)", "[unknown]"),
    ],
)
def test_what_comes_back(command, code, expected):
    """The command's own error where it has the documented shape, else its last words, else how it ended."""
    found = command(code)
    assert (expected == "") == (found.code == 0)
    assert expected == "" or expected in found.why


def test_a_command_that_does_not_end(command, monkeypatch):
    """It is ended when its time is over."""
    monkeypatch.setattr(launched, "SECONDS", 0.3)
    assert "there was no answer in 0.3 seconds [timeout]" == command("time.sleep(60)").why


def test_the_program_is_found_without_path(monkeypatch):
    """Whether a sandbox works has nothing to do with PATH; where the usual place has none, PATH is searched."""
    monkeypatch.setenv("PATH", "")
    assert os.access(launched._true(), os.X_OK)
    monkeypatch.setattr(launched, "TRUE", ())
    assert "true" == launched._true()


def test_what_a_sandbox_was_shown():
    """The mounts of specs that it really got, and the folders that its loader was told of."""
    cdi = {"origin": {"kind": "cdi"}, "status": "covered"}
    grants = [
        {**cdi, "path": "/usr/lib/x", "source": "/run/driver/x"},
        {**cdi, "path": "/dev/nvidia0", "status": "enforced"},
        {**cdi, "path": "/usr/lib/y", "source": "/run/driver/y", "status": "skipped"},
        {"origin": {"kind": "baseline"}, "status": "enforced", "path": "/usr"},
    ]
    env = [{"name": "LD_LIBRARY_PATH", "value": "/a::rel:/b", "status": "set"}, {"name": "X", "value": "/c"}]
    mounts, told = launched.shown({"grants": grants, "devices": {"env": env}})
    assert {"/usr/lib/x": "/run/driver/x", "/dev/nvidia0": "/dev/nvidia0"} == mounts
    assert ("/a", "/b") == told
    assert ({}, ()) == launched.shown({})


@pytest.mark.parametrize("content", ["'{'", "'[]'", "'\\0'"])
def test_a_report_that_is_none(command, content):
    """What cannot be read as a report counts as none."""
    assert command(SAVES.replace("CONTENT", content)).effective is None


def test_an_interpreter_that_is_gone(command, monkeypatch):
    """What cannot even be started was not tried, and why is said."""
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    assert "/nowhere/python: No such file or directory" == command("pass").untried


def test_no_folder(monkeypatch):
    """Without a place for it nothing is tried."""
    monkeypatch.setattr(launched, "_folder", lambda: None)
    assert "no temporary folder can be made" == launched.launch().untried


@pytest.mark.skipif(os.geteuid() != 0, reason="needs: root")
def test_roots_folder_is_one_that_others_reach(tmp_path, monkeypatch):
    """A temporary folder for root alone, as pam_tmpdir makes it, is no place for another user's sandbox."""
    os.chmod(tmp_path, 0o700)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = launched._folder() or ""
    os.rmdir(folder)
    assert "/tmp" == os.path.dirname(folder)


def test_a_users_folder_is_the_users(open_folder):
    """An ordinary user's own temporary folder is taken; where it cannot be written, another."""

    def place(mode):
        os.chmod(open_folder, mode)

        def made():
            os.environ["TMPDIR"] = str(open_folder)
            setattr(tempfile, "tempdir", None)  # noqa: B010 - what it remembers
            folder = launched._folder()
            if folder is not None:
                os.rmdir(folder)
            return os.path.dirname(folder or "")

        return as_anyone(made)

    assert str(open_folder) == place(0o777)
    assert str(open_folder) != place(0o555)


def test_why_is_said_for_each():
    """Without an error of its own the exit code stands for it."""
    assert "it ended with exit code 139" == Launched(139).why
