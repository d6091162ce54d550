"""``why`` on a stored sandbox: who decides, what file modes add, and what is private to the sandbox."""

from __future__ import annotations

import errno
import json
import os
import tempfile

import pytest
from tests.unit.cli import cases
from tests.unit.cli.cases import make_state, transcript

from pyopenshell.cli import why
from pyopenshell.effective.model import Identity
from pyopenshell.effective.why import Answer
from pyopenshell.sandbox.why import file_modes, modes_say


@pytest.fixture
def ask(tmp_path):
    """Return a function that asks about the hand-made sandbox ``demo`` and returns the JSON answer and exit code."""
    make_state(tmp_path)

    def answer(*argv):
        shown = transcript(["why", *argv, "--name", "demo", "-o", "json"], tmp_path)
        text, code = shown.split("\n", 1)[1].rsplit("--- exit code ", 1)
        return json.loads(text), int(code)

    return answer


@pytest.mark.parametrize(
    ("argv", "code", "origins"),
    [
        (["/etc/hostname"], 0, ["baseline/process"]),
        (["/etc"], 0, ["baseline/process"]),
        (["/etc/hostname", "--write"], 1, []),
        (["/proc/self/comm", "--write"], 0, ["runtime/cuda-thread-names"]),
        (["/home/nobody-of-this-name"], 1, []),
        (["/tmp/anything", "--create"], 0, ["baseline/process"]),
    ],
)
def test_the_deciding_grant_is_named(ask, argv, code, origins):
    """The exit code is the answer, and the grants that give the access come with their origin."""
    answer, given = ask(*argv)
    assert code == given
    assert (code == 0) == answer["allowed"]
    kinds = [f"{grant['origin']['kind']}/{grant['origin']['name']}" for grant in answer["grants"]]
    assert origins == kinds
    assert answer["advice"] or code == 0


def test_a_private_folder_hides_the_hosts(ask, monkeypatch):
    """A file of the host's /tmp is not what the sandbox would meet there, and its modes do not matter."""
    answer, code = ask("/tmp")
    assert ("/tmp", 0) == (answer["private"], code)
    answer, code = ask("/etc/hostname")
    assert answer["private"] is None


def test_relative_paths_count_from_here(ask, monkeypatch):
    """A relative path is the caller's."""
    monkeypatch.chdir("/etc")
    assert "/etc/hostname" == ask("hostname")[0]["path"]


def test_text_names_the_line_of_the_policy(tmp_path):
    """In the table form a declared grant is shown with file and line."""
    make_state(tmp_path)
    effective = cases.effective("demo", "running")
    text = transcript(["why", "/srv/out put", "--create", "--name", "demo"], tmp_path)
    assert effective.grants[2].origin.line == 5
    assert "It takes make_reg" in text


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can ask as someone else")
def test_file_modes_are_asked_as_the_sandboxs_identity(ask, tmp_path):
    """Landlock would allow reading /etc/shadow; its mode denies uid 61184, though root could read it."""
    answer, code = ask("/etc/shadow")
    assert (1, 13) == (code, answer["errno"])
    assert ["baseline/process"] == [
        f"{grant['origin']['kind']}/{grant['origin']['name']}" for grant in answer["grants"]
    ]
    assert any("File modes deny" in sentence for sentence in answer["explanation"])


def test_file_modes_of_another_identity_are_not_guessed(tmp_path):
    """Only root can ask as somebody else; for others the answer stays open instead of being one's own."""
    path = tmp_path / "file"
    path.write_text("")
    path.chmod(0o600)
    answer = Answer(True, str(path), str(path), "read", str(path), ("read_file",), (), 0, ())
    other = Identity(65533, 65533, (), "dynamic")
    assert (errno.EACCES if os.geteuid() == 0 else None) == modes_say(other, answer, why._modes)
    assert modes_say(Identity(os.geteuid(), os.getegid(), (), "caller"), answer, why._modes) == 0


@pytest.mark.parametrize(
    ("needed", "mode", "expected"),
    [
        (("read_file",), 0o400, 0),
        (("write_file",), 0o400, errno.EACCES),
        (("execute",), 0o600, errno.EACCES),
        (("execute",), 0o500, 0),
        (("make_reg", "write_file"), 0o500, errno.EACCES),
        (("remove_file",), 0o700, 0),
    ],
)
def test_each_right_asks_for_its_own_mode(needed, mode, expected):
    """Reading asks for r, writing for w, executing for x, changes in a folder for w and x."""
    uid = os.geteuid() or 65533
    with tempfile.TemporaryDirectory(dir="/tmp") as root:
        os.chmod(root, 0o755)
        path = f"{root}/it"
        os.mkdir(path) if "make" in needed[0] or "remove" in needed[0] else open(path, "w").close()
        os.chown(path, uid, -1)
        os.chmod(path, mode)
        answer = Answer(True, path, path, "x", path, needed, (), 0, ())
        identity = Identity(uid, os.getegid() or 65533, (), "x")
        assert expected == modes_say(identity, answer, why._modes)
        assert expected == modes_say(identity, answer, file_modes)
