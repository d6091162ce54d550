"""Declared paths that are missing, closed, of another kind, too many or too long."""

import os

import pytest

from tests.confined.landlock.harness import needs_landlock
from tests.confined.launch import world
from tests.confined.whole import callers

pytestmark = needs_landlock


@pytest.fixture
def odd(anyone):
    """The command, with paths of every odd kind under its working folder."""
    work = anyone.workdir
    (work / "file").write_text("text")
    (work / "loop").symlink_to("loop")
    return anyone


ODD = {
    "missing": ("read_only", "No such file or directory"),
    "file/beneath": ("read_only", "Not a directory"),
    "loop": ("read_only", "Too many levels of symbolic links"),
    "not/there": ("read_write", "No such file or directory"),
    "loop/new": ("read_write", "Too many levels of symbolic links"),
}
"""Path under the working folder: the word that declares it, and why it cannot be granted."""


def policy_text(odd, compatibility):
    """Return a policy with all the odd paths as a person writes it, and the line of each."""
    lines = ["version: 1", f"landlock: {{compatibility: {compatibility}}}", "filesystem_policy:"]
    where = {}
    for word in ("read_only", "read_write"):
        lines.append(f"  {word}:")
        for path in (path for path, (kind, _) in ODD.items() if kind == word):
            lines.append(f"    - {odd.workdir}/{path}")
            where[path] = len(lines)
    return "\n".join(lines) + "\n", where


def written(odd, compatibility):
    """Write that policy; return the option that names it, and the lines."""
    text, where = policy_text(odd, compatibility)
    file = odd.folder / "odd.yaml"
    file.write_text(text)
    return ("--policy", str(file)), where


def test_best_effort_goes_on_and_says_so(odd):
    """Every path is skipped with its own Medium finding on stderr and in the record, and the program runs."""
    options, _ = written(odd, "best_effort")
    done = odd.run("-n", "odd", *options, "--", "echo", "runs")
    assert (0, "runs\n") == (done.returncode, done.stdout)
    record = odd.record("odd")
    for path, (word, why) in ODD.items():
        grant = record.grant(f"{odd.workdir}/{path}")
        assert ("skipped", why, []) == (grant["status"], grant["detail"]["message"], grant["actual"])
        message = f"{odd.workdir}/{path} is declared {word} and cannot be granted: {why}"
        assert f"openshell: medium: {message}" in done.stderr
        (finding,) = [finding for finding in record.effective["findings"] if finding["grant"] == grant["id"]]
        assert ("Medium", message) == (finding["severity"], finding["message"])


def test_hard_requirement_lists_them_all(odd):
    """One refusal names every path with its line, and its place is the first one's."""
    options, where = written(odd, "hard_requirement")
    error = callers.refused(odd, *options)
    assert ("policy.hard-requirement", where["missing"]) == (error["code"], error["line"])
    for path, (word, why) in ODD.items():
        assert f"{odd.workdir}/{path} ({word}, {odd.folder}/odd.yaml:{where[path]}): {why}" in error["message"]


@pytest.mark.parametrize(("word", "right"), [("read_only", "read_file"), ("read_write", "write_file")])
def test_what_modes_deny_is_blocked(odd, word, right):
    """The rule stands, the kernel still says no, and the report names the rights that file modes keep back."""
    file = odd.workdir / "file"
    file.chmod(0o000 if word == "read_only" else 0o444)
    os.chown(file, odd.workdir.stat().st_uid, -1)
    policy = world.policy(**{word: (file,)}, workdir=False)
    mode = os.O_RDONLY if word == "read_only" else os.O_WRONLY
    code = "answer['opened'] = attempt(os.open, given['path'], given['mode'])"
    assert {"opened": "EACCES"} == odd.ask(code, "-n", "closed", policy=policy, path=file, mode=mode)
    grant = odd.record("closed").grant(file)
    assert ("blocked", True) == (grant["status"], right in grant["actual"])
    assert f"file modes deny the sandbox's identity: {right}" in grant["detail"]["message"]


def test_a_file_gets_a_files_rights(odd):
    """A file declared as if it were a folder is granted as what it is."""
    os.chown(odd.workdir / "file", odd.workdir.stat().st_uid, -1)
    policy = world.policy(read_write=(odd.workdir / "file",), workdir=False)
    assert 0 == odd.run("-q", "-n", "file", "--", "true", policy=policy).returncode
    record = odd.record("file")
    grant = record.grant(odd.workdir / "file")
    assert "enforced" == grant["status"]
    assert {"execute", "write_file", "read_file", "truncate"} >= set(grant["actual"]) >= {"write_file", "read_file"}
    assert "make_dir" in grant["access"]


@pytest.mark.parametrize(
    ("paths", "words"),
    [
        ([f"/tmp/path-{number}" for number in range(257)], "257 paths are declared; at most 256 are allowed"),
        (["/" + "x" * 4999], "the path has 5000 characters; at most 4096 are allowed"),
    ],
)
def test_limits(anyone, paths, words):
    """Beyond the limits a policy is not valid, and the message holds both numbers."""
    error = callers.refused(anyone, policy=world.policy(paths))
    assert ("policy.invalid", True) == (error["code"], error["message"].endswith(words))
