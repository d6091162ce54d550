"""``sandbox upload`` and ``download`` with a gateway and a sandbox of their own, and a Ctrl-C in the midst of each."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import pyopenshell
from pyopenshell.testing import open_workdir
from tests.confined.landlock import harness

pytestmark = harness.needs_landlock

COMMAND = [sys.executable, "-I", str(Path(pyopenshell.__file__).parent / "__main__.py")]
LARGE = 400 << 20


class Demo:
    """A sandbox ``demo``, which works in ``work``; the command runs in ``here``."""

    def __init__(self, here, work):
        self.here, self.work = here, work
        folders = {f"XDG_{kind}_HOME": str(here / kind.lower()) for kind in ("STATE", "CONFIG", "DATA")}
        self.settings = {"cwd": here, "env": {"PATH": os.environ["PATH"], "HOME": str(here), **folders}}

    def __call__(self, *words, code=0):
        """Run the command; return what it said on both streams."""
        done = subprocess.run([*COMMAND, *words], **self.settings, capture_output=True, text=True, timeout=60)
        assert code == done.returncode, (words, done.stdout, done.stderr)
        return done.stdout + done.stderr

    def interrupted(self, folder, *words):
        """Run the command, and press Ctrl-C once it has begun a file in this folder; return its exit code."""
        with subprocess.Popen([*COMMAND, *words], **self.settings, stdout=-3, stderr=-3) as process:
            deadline = time.monotonic() + 60
            while not half(folder) and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.005)
            process.send_signal(signal.SIGINT)
            return process.wait(60)


def half(folder):
    """The files in a folder that are not complete."""
    return [name for name in os.listdir(folder) if name.startswith(".openshell-")]


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """Start a gateway and the sandbox, and end both."""
    with open_workdir() as work:
        there = Demo(tmp_path_factory.mktemp("here"), work)
        program = ("--", "sh", "-c", "while :; do sleep 1; done")
        try:
            there("sandbox", "create", "--name", "demo", "--workdir", str(work), "--detach", *program)
            yield there
        finally:
            there("sandbox", "delete", "--all")
            there("gateway", "stop")


def test_there_and_back(demo):
    """A project goes in without what git ignores, a program changes it, and it comes out."""
    project = demo.here / "project"
    project.mkdir()
    (project / ".gitignore").write_text("*.log\n")
    (project / "a.log").touch()
    (project / "run").write_text("#!/bin/sh\necho made > made\n")
    (project / "run").chmod(0o755)
    assert f"uploaded 2 files, 1 folder (33 bytes) to {demo.work}/project" in demo(
        "sandbox", "upload", "demo", "project"
    )
    demo("sandbox", "exec", "-n", "demo", "--workdir", f"{demo.work}/project", "--", "./run")
    demo("sandbox", "download", "demo", "project", "back")
    assert [".gitignore", "made", "run"] == sorted(os.listdir(demo.here / "back"))
    assert "made\n" == (demo.here / "back/made").read_text()


def test_what_the_policy_denies(demo):
    """The message names the path, and who says what decides; the exit code is 1."""
    (demo.here / "f").touch()
    said = demo("sandbox", "upload", "demo", "f", "/etc/", code=1)
    assert "cannot write /etc/f in the sandbox: " in said
    assert "openshell why --write" in said


def test_ctrl_c_leaves_no_half_file(demo):
    """Neither in the sandbox nor here; what is there already stays as it was."""
    with open(demo.here / "large", "wb") as file:
        file.truncate(LARGE)
    with open(demo.work / "back", "wb") as file:
        file.truncate(LARGE)
    target = demo.here / "target"
    target.mkdir()
    (target / "back").write_text("old")
    assert 130 == demo.interrupted(demo.work, "sandbox", "upload", "demo", "large")
    assert 130 == demo.interrupted(target, "sandbox", "download", "demo", "back", "target")
    for _ in range(500):  # the gateway hears of it a moment later
        if not half(demo.work):
            break
        time.sleep(0.01)
    assert ["back"] == [name for name in sorted(os.listdir(demo.work)) if name != "project"]
    assert ["back"] == os.listdir(target)
    assert "old" == (target / "back").read_text()
