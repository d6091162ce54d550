"""Exit codes, and the words that go with them: the program's own, 125 for ours, 126 and 127 for what cannot be run."""

import json
import os
import signal

import pytest

from tests.confined.landlock.harness import needs_landlock
from tests.confined.launch import world

pytestmark = needs_landlock

FILES = {
    "not-executable": ("text\n", 0o644),
    "no-interpreter": ("#!/nowhere/at/all\n", 0o755),
    "windows": ("#!/bin/sh\r\nexit 0\r\n", 0o755),
    "no-program": ("neither a script nor a binary\n", 0o755),
}
COMMANDS = {
    "./not-executable": (126, "command.not-executable", "Permission denied", "chmod +x WORK/not-executable"),
    ".": (126, "command.not-executable", "is a folder", "name a program in it"),
    "/dev/null": (126, "command.not-executable", "is not a regular file", "name a program"),
    "./no-program": (126, "command.not-executable", "Exec format error", "name its interpreter"),
    "./no-interpreter": (127, "command.not-found", "is a script for '/nowhere/at/all'", "there is no folder"),
    "./windows": (127, "command.not-found", "is a script for '/bin/sh\\r'", "carriage returns"),
    "./not-executabel": (127, "command.not-found", "No such file or directory", "did you mean WORK/not-executable?"),
    "no-program": (127, "command.not-found", "command not found", "write ./no-program"),
    "ech0": (127, "command.not-found", "ech0: command not found", "did you mean echo"),
    "": (127, "command.not-found", "empty", "name a program"),
}
USAGES = [
    ((), "usage", "no command is given"),
    (("--nmae", "x", "--", "true"), "usage", "unknown option --nmae"),
    (("-n", "UPPER", "--", "true"), "name.invalid", "'UPPER' cannot name a sandbox"),
    (("-n", "x", "-n", "y", "--", "true"), "usage", "-n is given twice"),
    (("--max-abi", "new", "--", "true"), "usage", "not 'new'"),
    (("--gpu=some", "--", "true"), "usage", "not 'some'"),
    (("--env", "OPENSHELL_NOT_SET", "--", "true"), "usage", "this variable is not set here"),
    (("--workdir", "/nowhere", "--", "true"), "usage", "/nowhere is not a folder"),
    (("--policy", "/nowhere.yaml", "--", "true"), "policy.unreadable", "cannot read the policy: No such file"),
]


@pytest.fixture
def files(anyone):
    """The command, in a folder with files that cannot be run."""
    for name, (text, mode) in FILES.items():
        (anyone.workdir / name).write_text(text)
        (anyone.workdir / name).chmod(mode)
    return anyone


@pytest.mark.parametrize("code", [0, 1, 2, 42, 124, 125, 126, 127, 200, 255])
def test_the_programs_own(anyone, code):
    """Every code comes through, with no word of ours, also those that have a meaning here."""
    done = anyone.run("-q", "-n", "own", "--", "sh", "-c", f"echo out; echo err >&2; exit {code}")
    assert (code, "out\n", "err\n") == world.outcome(done)
    assert {"code": code, "signal": None, "exec_errno": None} == anyone.record("own").exit


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("SIGTERM", marks=pytest.mark.kernels),
        "SIGKILL",
        "SIGSEGV",
        "SIGABRT",
        "SIGUSR1",
        "SIGINT",
        "SIGPIPE",
    ],
)
def test_ended_by_a_signal(anyone, name):
    """128+n; the signal is named, but for those that a person or a pipeline sent."""
    number = signal.Signals[name]
    done = anyone.run("-q", "-n", "signal", "--", "sh", "-c", f"kill -{name[3:]} $$")
    words = "" if name in ("SIGINT", "SIGPIPE") else f"openshell: sh was ended by {name}\n"
    assert (128 + number, "", words) == world.outcome(done)
    assert {"code": 128 + number, "signal": number, "exec_errno": None} == anyone.record("signal").exit


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("output", [(), ("-o", "json")])
def test_what_cannot_be_run(files, command, output):
    """126 for what is there and cannot be executed, 127 for what is not; message and hint name cause and remedy."""
    expected, code, words, hint = COMMANDS[command]
    done = files.run("-q", *output, "--", command)
    assert (expected, "") == (done.returncode, done.stdout)
    told = done.stderr.replace(str(files.workdir), "WORK")
    if output:
        error = json.loads(told)["error"]
        assert (code, True, True) == (error["code"], words in error["message"], hint in error["hint"]), told
    else:
        first, last = told.splitlines()
        assert (True, True) == (first.startswith("openshell: "), words in first), told
        assert (True, True) == (last.startswith("hint: "), hint in last), told


@pytest.mark.parametrize(("arguments", "code", "words"), USAGES)
@pytest.mark.parametrize("output", [(), ("-o", "json")])
def test_ours_is_125(anyone, arguments, code, words, output):
    """Whatever keeps the sandbox from being made is 125, one error, and never a traceback."""
    done = anyone.run(*output, *arguments)
    assert (125, "") == (done.returncode, done.stdout)
    if output:
        error = json.loads(done.stderr)["error"]
        assert ["code", "column", "file", "hint", "line", "message"] == sorted(set(error) - {"problems"})
        assert (code, True) == (error["code"], words in error["message"])
    else:
        first, *rest = done.stderr.splitlines()
        assert (True, True) == (first.startswith("openshell: "), words in first)
        assert all(line.startswith("hint: ") for line in rest), rest


def test_a_bad_policy_names_its_lines(anyone):
    """Every mistake is told with file, line and column, as text and as JSON."""
    file = anyone.folder / "bad.yaml"
    file.write_text("version: 1\nfilesystem_policy:\n  read_only: [relative]\n  read_wirte: []\n")
    done = anyone.run("-p", file, "--", "true")
    assert (125, "") == (done.returncode, done.stdout)
    assert f"{file}:3:15: " in done.stderr
    assert f"{file}:4:3: " in done.stderr
    error = json.loads(anyone.run("-o", "json", "-p", file, "--", "true").stderr)["error"]
    assert ("policy.invalid", str(file), 3, 15) == tuple(error[key] for key in ("code", "file", "line", "column"))
    assert [(3, 15), (4, 3)] == [(problem["line"], problem["column"]) for problem in error["problems"]]


def test_a_program_of_another_identity(root):
    """A program that only root may execute is refused before the launch, and says for whom."""
    program = root.workdir / "own"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    done = root.run("--", "./own")
    assert (126, "") == (done.returncode, done.stdout)
    assert f"it is 0700 of uid 0 and the sandbox runs as uid {root.workdir.stat().st_uid}" in done.stderr
    assert not (root.state / "openshell" / "runs").exists()


def test_closed_streams_do_no_harm(anyone):
    """Started without standard streams, the program runs, and its files do not end up in their place."""
    settings = {"preexec_fn": lambda: os.closerange(0, 3)}
    done = anyone.run("-q", "--", "sh", "-c", "echo lost; touch ran", **settings)
    assert (0, "", "") == world.outcome(done)
    assert ["ran"] == os.listdir(anyone.workdir)
