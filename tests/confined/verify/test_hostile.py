"""Programs that do what they can to a verification: it says so, or says the truth, and leaves nothing behind."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from pyopenshell.verify import around
from pyopenshell.verify.attempt import GRANTS, Attempt
from tests.confined.launch import world
from tests.confined.verify.test_live import running, verify
from tests.unit.verify import build

KILLS_AT_THE_FOLDER = """
import glob, os, signal
print("ready", flush=True)
while True:
    if glob.glob(".openshell-verify-*/*"):
        for pid in filter(str.isdigit, os.listdir("/proc")):
            if int(pid) not in (1, os.getpid()):
                try:
                    os.kill(int(pid), signal.SIGKILL)
                except OSError:
                    pass
"""


def told(sandbox):
    """The verifications in the log of ``live``."""
    return [one for one in sandbox.record("live").events if one["metadata"]["event_code"] == "sandbox.verified"]


@pytest.mark.parametrize("instead", [None, "link", "folder"])
def test_a_socket_that_is_removed_meanwhile(tmp_path, instead):
    """A sandbox that shares /tmp may remove what stands there, or exchange it: whatever it does, nothing is raised."""
    mask = os.umask(0o077)
    try:
        set_up = around.Around(build.effective())
        assert 0o077 == os.umask(mask)
    finally:
        os.umask(mask)
    path = Path(str(set_up.seen(build.effective().identity, 1).pathname))
    assert 0o777 == path.stat().st_mode & 0o777
    path.unlink()
    if instead == "folder":
        path.mkdir()
    elif instead:
        path.symlink_to(tmp_path)
    set_up.close()
    assert tmp_path.exists()
    assert (instead == "folder") == path.is_dir()
    if instead == "folder":
        path.rmdir()


def test_a_probe_that_is_killed_in_its_folder_leaves_nothing(sandbox):
    """What it had made is removed from outside."""
    world.needs_python()
    with running(sandbox, program=(world.PYTHON, "-I", "-c", KILLS_AT_THE_FOLDER)) as process:
        codes = {verify(sandbox).returncode for _ in range(5)}
        process.terminate()
    assert 4 in codes
    assert [] == os.listdir(sandbox.workdir)


def test_an_interrupted_verification_leaves_nothing(sandbox):
    """SIGINT comes while the probe's folder is there."""
    with running(sandbox):
        words = [*world.COMMAND, "sandbox", "verify", "live"]
        for _ in range(3):
            with subprocess.Popen(words, env=sandbox.environment, stdout=-3, stderr=-3) as verifier:
                while verifier.poll() is None and not os.listdir(sandbox.workdir):
                    pass
                verifier.send_signal(signal.SIGINT)
            assert [] == os.listdir(sandbox.workdir)


def test_hundreds_of_grants(sandbox):
    """A list of some mebibytes is taken."""
    folders = [Path(sandbox.workdir, f"{number:03}-{'x' * 200}") for number in range(240)]
    for folder in folders:
        folder.mkdir()
        os.chown(folder, world.IDENTITY, -1)
    policy = world.policy(("/usr",), tuple(map(str, folders)), workdir=False)
    with running(sandbox, policy=policy):
        done = verify(sandbox, "-o", "json")
    assert (0, "") == (done.returncode, done.stderr)
    assert [] == [entry for folder in folders for entry in os.listdir(folder)]


def test_every_verification_is_in_the_log(sandbox):
    """With its verdict and who asked: that of ``run --verify``, and each one later."""
    with running(sandbox, "--verify"):
        assert 0 == verify(sandbox).returncode
    found = told(sandbox)
    assert ["as reported"] * 2 == [one["unmapped"]["verdict"] for one in found]
    assert [str(os.getuid())] * 2 == [one["actor"]["user"]["uid"] for one in found]
    assert found[0]["actor"]["process"] != found[1]["actor"]["process"]


def test_a_grant_in_a_folder_of_every_process(sandbox):
    """Its rule is about one process, so it tells nothing, and is not counted as verified."""
    policy = world.policy(("/usr", "/proc/self/status"))
    with running(sandbox, policy=policy):
        done = verify(sandbox, "-o", "json")
    attempts = json.loads(done.stdout)["attempts"]
    rows = [one for one in attempts if one["subject"] == "/proc/self/status"]
    assert [("not telling", "not tried")] == [(one["result"], one["observed"]) for one in rows]


def made(*targets):
    """Attempts that made these."""
    return [Attempt(GRANTS, "", str(target), "make", "allowed", ("open",)) for target in targets]


def test_removing_follows_no_link(tmp_path):
    """A link in the place of the folder goes itself; what it leads to, and what has another name, stays."""
    theirs, mine = tmp_path / "theirs", tmp_path / "work" / ".token"
    for path in (theirs, mine.parent):
        path.mkdir()
    (theirs / "one").touch()
    mine.symlink_to(theirs)
    assert () == around.remove(made(mine, mine / "one"), ".token")
    assert (["one"], []) == (os.listdir(theirs), os.listdir(mine.parent))


def test_what_else_lies_there_is_left_and_told(tmp_path):
    """Only names that the probe was told are removed."""
    mine = tmp_path / ".token"
    mine.mkdir()
    for name in ("one", "other"):
        (mine / name).touch()
    assert (str(mine),) == around.remove(made(mine, mine / "one"), ".token")
    assert ["other"] == os.listdir(mine)
