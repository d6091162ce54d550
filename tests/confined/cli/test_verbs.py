"""The verbs on sandboxes that really ran: what is told is what was enforced, during a run and after it."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from tests.confined.landlock.harness import ABI, needs_landlock

import pyopenshell

COMMAND = [sys.executable, "-I", str(Path(pyopenshell.__file__).parent / "__main__.py")]
POLICY = """\
version: 1
filesystem_policy:
  include_workdir: true
  read_only: [/opt]
"""


@pytest.fixture
def place(tmp_path):
    """Give a folder that any identity can work in, with a policy, apart from the state."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="cli-") as root:
        os.chmod(root, 0o755)
        Path(root, "policy.yaml").write_text(POLICY)
        Path(root, "work").mkdir()
        Path(root, "work", "file").write_text("content\n")
        if os.geteuid() == 0:
            for path in (Path(root, "work"), Path(root, "work", "file")):
                os.chown(path, 65533, 65533)
        yield Path(root)


class Command:
    """The command with a state folder of its own, in a folder to work in."""

    def __init__(self, state, workdir):
        environment = {"XDG_STATE_HOME": str(state), "PATH": os.environ["PATH"], "HOME": str(state)}
        self.options = {"cwd": workdir, "env": environment, "text": True}

    def __call__(self, *argv):
        return subprocess.run([*COMMAND, *argv], capture_output=True, check=False, timeout=120, **self.options)

    def start(self, *argv):
        return subprocess.Popen([*COMMAND, *argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE, **self.options)


@pytest.fixture
def openshell(tmp_path, place):
    """Run the command in the work folder."""
    return Command(tmp_path, place / "work")


def shown(done):
    """Return what a command that must succeed printed, as data."""
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@needs_landlock
def test_a_run_is_told_afterwards(openshell, place):
    """list, get, inspect, policy and logs agree about a sandbox that ended with code 3."""
    done = openshell("run", "-q", "-n", "demo", "-p", str(place / "policy.yaml"), "--", "sh", "-c", "exit 3")
    assert (3, "", "") == (done.returncode, done.stdout, done.stderr)
    (row,) = shown(openshell("sandbox", "list", "-o", "json"))
    assert ("demo", "exited", 3, ["sh", "-c", "exit 3"]) == tuple(
        row[k] for k in ("name", "state", "exit_code", "command")
    )
    assert row == shown(openshell("sandbox", "get", "demo", "-o", "json"))
    record = shown(openshell("sandbox", "inspect", row["id"], "-o", "json"))
    full = shown(openshell("policy", "get", "demo", "--full", "-o", "json"))
    assert record["effective"] == full
    assert record["receipt"]["effective_digest"] == full["digest"]
    assert all(check["ok"] for check in record["receipt"]["supervisor_checks"])
    assert POLICY == openshell("policy", "get", "demo", "--base").stdout
    assert openshell("logs", "demo").stdout.count("OCSF") == len(
        openshell("logs", "demo", "-o", "json").stdout.splitlines()
    )
    for verb in (["sandbox", "inspect", "demo"], ["policy", "get", "demo", "--full"], ["sandbox", "list"]):
        done = openshell(*verb)
        assert (0, "") == (done.returncode, done.stderr)
        assert full["digest"] in done.stdout or verb[-1] == "list"


@needs_landlock
def test_full_policy_shows_every_grant_once(openshell, place):
    """In the text of --full, each grant's path stands in a row with its status; declared ones with their line."""
    openshell("run", "-q", "-n", "demo", "-p", str(place / "policy.yaml"), "--", "true")
    full = shown(openshell("policy", "get", "demo", "--full", "-o", "json"))
    text = openshell("policy", "get", "demo", "--full").stdout
    rows = [line.split() for line in text.splitlines()]
    for grant in full["grants"]:
        assert any(row[:1] == [grant["path"]] and grant["status"] in row for row in rows), grant
    assert f"{place / 'policy.yaml'}:4" in text
    assert text.startswith(f"Policy of demo, as written\n{POLICY}\nEffective policy of demo\n")


@needs_landlock
def test_a_live_sandbox_is_seen_and_kept(openshell, place):
    """From another terminal a sandbox is running, readable, and not to be deleted; afterwards it is."""
    child = openshell.start("run", "-q", "-n", "live", "--", "sh", "-c", "echo started; read line")
    assert "started\n" == child.stdout.readline()
    assert "running" == shown(openshell("sandbox", "get", "live", "-o", "json"))["state"]
    assert "enforced" in openshell("policy", "get", "live", "--full").stdout
    refused = openshell("sandbox", "delete", "live")
    assert 4 == refused.returncode
    assert "openshell: sandbox live is running" in refused.stderr
    assert 0 == openshell("sandbox", "delete", "--all").returncode
    assert "running" == shown(openshell("sandbox", "get", "live", "-o", "json"))["state"]
    child.communicate("\n", timeout=60)
    assert "exited" == shown(openshell("sandbox", "get", "live", "-o", "json"))["state"]
    assert 0 == openshell("sandbox", "delete", "live").returncode
    assert 3 == openshell("sandbox", "get", "live").returncode


@needs_landlock
@pytest.mark.parametrize(
    ("path", "flag", "attempt"),
    [
        ("/etc/hostname", "--read", "cat /etc/hostname"),
        ("/etc/shadow", "--read", "cat /etc/shadow"),
        ("/etc/hostname", "--write", ": >>/etc/hostname"),
        ("file", "--read", "cat file"),
        ("file", "--write", ": >>file"),
        ("new", "--create", ": >new"),
        ("file", "--delete", "rm -f file"),
        ("/root", "--list", "ls /root"),
        ("/usr", "--list", "ls /usr"),
        ("/usr/bin/env", "--execute", "/usr/bin/env true"),
        ("/usr/new", "--create", ": >/usr/new"),
        ("/opt", "--list", "ls /opt"),
        ("/tmp/new", "--create", ": >/tmp/new"),
        ("/proc/self/comm", "--write", ": >>/proc/self/comm"),
    ],
)
def test_why_says_what_happens(openshell, place, path, flag, attempt):
    """The answer before a run, and the answer about the run, are what the kernel says in the sandbox."""
    policy = str(place / "policy.yaml")
    happened = openshell("run", "-q", "-n", "demo", "-p", policy, "--", "sh", "-c", f"{{ {attempt}; }} >/dev/null 2>&1")
    if flag == "--delete":
        (place / "work" / "file").write_text("again\n")
    if flag == "--create":
        (place / "work" / "new").unlink(missing_ok=True)
    before = openshell("why", path, flag, "--policy", policy)
    after = openshell("why", path, flag, "--name", "demo", "-o", "json")
    assert (happened.returncode == 0) == (before.returncode == 0), before.stdout
    assert (happened.returncode == 0) == shown_any(after)["allowed"]
    assert before.stdout.startswith(("allowed ", "denied "))


def shown_any(done):
    """Return an answer as data, whether it was yes or no."""
    assert done.returncode in (0, 1), done.stderr
    return json.loads(done.stdout)


@needs_landlock
def test_explain_and_why_leave_no_run_behind(openshell, place):
    """What only plans makes no record."""
    assert 0 == openshell("run", "--explain", "--", "true").returncode
    assert "effective" in shown(openshell("run", "--explain", "-o", "json", "--", "true"))
    assert 0 == openshell("why", "file").returncode
    assert [] == shown(openshell("sandbox", "list", "-o", "json"))


@pytest.mark.parametrize(
    ("argv", "code", "key"),
    [
        pytest.param(["run", "-o", "json", "--", "no-such-program"], 127, "command.not-found", marks=needs_landlock),
        (["run", "-o", "json", "--polcy", "x", "--", "true"], 125, "usage"),
        (["run", "-o", "json", "--policy", "missing.yaml", "--", "true"], 125, "policy.unreadable"),
        (["run", "-o", "json", "--name", "../x", "--", "true"], 125, "name.invalid"),
        pytest.param(["run", "-o", "json", "--gpu", "--", "true"], 125, "gpu.missing", marks=needs_landlock),
        (["why", "/", "-o", "json", "--policy", "missing.yaml"], 4, "policy.unreadable"),
        (["why", "/", "-o", "json", "--name", "nobody"], 3, "sandbox.unknown"),
        (["policy", "validate", "missing.yaml", "-o", "json"], 4, "policy.unreadable"),
    ],
)
def test_errors_as_json(openshell, argv, code, key):
    """Each failure has its exit code and its stable code, and standard output stays empty."""
    if key == "gpu.missing" and os.path.exists("/dev/nvidiactl"):
        pytest.skip("this host has a GPU")
    done = openshell(*argv)
    assert (code, "") == (done.returncode, done.stdout)
    assert key == json.loads(done.stderr)["error"]["code"]


NO_LANDLOCK = """
import os, struct, sys
from pyopenshell.kernel import process, seccomp, syscalls
number = syscalls.number("landlock_create_ruleset")
rows = ((0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, 0x00050000 | int(sys.argv[1])), (0x06, 0, 0, 0x7FFF0000))
process.set_no_new_privs()
seccomp.install(b"".join(struct.pack("HBBI", *row) for row in rows))
os.execv(sys.argv[2], sys.argv[2:])
"""


@pytest.mark.parametrize("answer", ["ENOSYS", "EOPNOTSUPP", "EPERM"])
def test_doctor_where_landlock_is_missing(tmp_path, answer):
    """Where the kernel, or a filter around us, refuses Landlock, doctor fails with the answer it got."""
    done = subprocess.run(
        [sys.executable, "-c", NO_LANDLOCK, str(getattr(errno, answer)), *COMMAND, "doctor", "-o", "json"],
        env={"XDG_STATE_HOME": str(tmp_path), "PYTHONPATH": str(Path(pyopenshell.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    found = json.loads(done.stdout)
    assert (1, False) == (done.returncode, found["works"])
    (row,) = [check for check in found["checks"] if check["name"] == "landlock"]
    assert "fail" == row["status"]
    assert answer in row["evidence"]
    assert row["hint"]


@pytest.mark.kernels
def test_doctor_on_this_kernel(openshell):
    """A sandbox works here, and doctor says so in each form, or there is no Landlock, and it says that."""
    done = openshell("doctor")
    if ABI == 0:
        assert (1, "") == (done.returncode, done.stderr)
        assert "A sandbox works here." not in done.stdout
        assert ["landlock", "fail"] in [line.split()[:2] for line in done.stdout.splitlines()]
        return
    assert (0, "") == (done.returncode, done.stderr)
    assert "A sandbox works here." in done.stdout
    checks = {check["name"]: check for check in shown(openshell("doctor", "check", "-o", "json"))["checks"]}
    assert "a confined process that lists / gets EACCES" == checks["enforcement"]["evidence"]
