"""What a command brings along: its own environment to read and run, and nothing around it."""

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.confined.escape import outside
from tests.confined.landlock.harness import ABI
from tests.confined.launch import world

CODE = """
import errno, json, os, sys
prefix, answer = sys.prefix, {}
def attempt(operation, *arguments):
    try:
        operation(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno]
    return "ok"
answer["read"] = attempt(os.open, f"{prefix}/pyvenv.cfg", os.O_RDONLY)
for name, operation, *arguments in (
    ("write", os.open, f"{prefix}/pyvenv.cfg", os.O_WRONLY),
    ("truncate", os.truncate, f"{prefix}/pyvenv.cfg", 0),
    ("make", os.open, f"{prefix}/new", os.O_WRONLY | os.O_CREAT),
    ("folder", os.mkdir, f"{prefix}/bin/new"),
    ("remove", os.unlink, f"{prefix}/pyvenv.cfg"),
    ("sibling", os.listdir, f"{prefix}/../sibling"),
    ("its file", os.open, f"{prefix}/../sibling/file", os.O_RDONLY),
):
    answer[name] = attempt(operation, *arguments)
temporary = os.environ.get("TMPDIR", "/tmp")
answer["temporary"] = attempt(os.open, f"{temporary}/{os.path.basename(os.path.dirname(prefix))}.new", os.O_CREAT)
answer["shown"] = sorted(os.listdir(temporary))
print(json.dumps(answer))
"""


@pytest.fixture
def outer():
    """A folder under the host's ``/tmp`` that belongs to the sandbox's own user: no file mode protects it."""
    folder = Path(tempfile.mkdtemp(prefix="openshell-brought.", dir="/tmp"))
    yield folder
    folder.chmod(0o700)
    shutil.rmtree(folder)


def give_away(folder):
    """Let the whole tree belong to the sandbox's user."""
    for path in (folder, *folder.rglob("*")):
        os.chown(path, world.IDENTITY, -1, follow_symlinks=False)


def test_an_environment_under_tmp_is_read_only(everywhere, outer):
    """A virtual environment: readable and executable, although the private ``/tmp`` around it is writable."""
    world.needs_python()
    subprocess.run([world.PYTHON, "-m", "venv", "--without-pip", outer / "venv"], check=True, timeout=world.SECONDS)
    (outer / "sibling").mkdir()
    (outer / "sibling" / "file").write_text("not granted")
    give_away(outer)
    done = everywhere.run("--", outer / "venv" / "bin" / "python", "-I", "-c", CODE)
    assert 0 == done.returncode, done.stderr
    answer = json.loads(done.stdout)
    has_mounts = outside.has(everywhere, "mount")
    changes = dict.fromkeys(("write", "truncate", "make", "folder", "remove"), "EROFS" if has_mounts else "EACCES")
    if ABI < 3:
        changes["truncate"] = "EACCES"  # the filter's answer, before any file is looked at
    siblings = dict.fromkeys(("sibling", "its file"), "ENOENT" if has_mounts else "EACCES")
    shown = answer.pop("shown")
    assert {"read": "ok", **changes, **siblings, "temporary": "ok"} == answer
    # Its own file, and beside it at most what the sandbox was given, never the host's.
    own = [outer.name, everywhere.workdir.name] if has_mounts else []
    assert sorted([*own, f"{outer.name}.new"]) == shown
    assert not os.path.exists(f"/tmp/{outer.name}.new")


def test_a_command_in_a_folder_nobody_may_enter(sandbox, outer):
    """126, nothing started, and the message names the folder that keeps the sandbox's user out."""
    program = outer / "closed" / "deeper" / "program"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\nexit 0\n")
    program.chmod(0o755)
    give_away(outer)
    outer.chmod(0o755)
    (outer / "closed").chmod(0o000)
    try:
        done = sandbox.run("--", program)
    finally:
        (outer / "closed").chmod(0o700)
    assert 126 == done.returncode, done.stderr
    assert f"{outer}/closed is 0000 of uid {world.IDENTITY}" in done.stderr


def test_a_working_folder_that_is_not_granted(everywhere, outer):
    """Under ``/tmp`` it is an empty private folder; elsewhere, and without mounts, it is the host's and closed."""
    (outer / "file").write_text("the host's")
    give_away(outer)
    code = """
answer["listed"] = attempt(os.listdir, ".")
answer["files"] = os.listdir(".") if answer["listed"] == "ok" else []
answer["made"] = attempt(os.mkdir, "made")
answer["by name"] = attempt(os.open, given["file"], os.O_RDONLY)
"""
    options = ("--workdir", outer)
    answer = everywhere.ask(code, *options, policy=world.policy(workdir=False), file=outer / "file")
    if outside.has(everywhere, "mount"):
        assert {"listed": "ok", "files": [], "made": "ok", "by name": "ENOENT"} == answer
    else:
        assert {"listed": "EACCES", "files": [], "made": "EACCES", "by name": "EACCES"} == answer
    assert ["file"] == os.listdir(outer)
