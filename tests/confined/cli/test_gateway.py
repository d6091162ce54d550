"""The command with a real gateway, which it starts by itself: terminals, exit codes, what stays and what goes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pexpect
import pytest

import pyopenshell
from pyopenshell.testing import open_workdir

COMMAND = [sys.executable, "-I", str(Path(pyopenshell.__file__).parent / "__main__.py")]
LOOP = "while :; do sleep 0.05; done"


class Place:
    """A gateway's folders, and the command in them."""

    def __init__(self, root, work):
        self.work = work
        folders = {f"XDG_{kind}_HOME": f"{root}/{kind.lower()}" for kind in ("STATE", "CONFIG", "DATA")}
        self.environment = {"PATH": os.environ["PATH"], "HOME": root, "TERM": "xterm", "SHELL": "/bin/sh", **folders}

    def __call__(self, *words, code=0, **options):
        """Run it; return its standard output."""
        settings = {"stdin": subprocess.DEVNULL} if "input" not in options else {}
        done = subprocess.run(
            [*COMMAND, *words],
            **{**settings, **options},
            cwd=self.work,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert code == done.returncode, (words, done.stdout, done.stderr)
        self.said = done.stderr
        return done.stdout

    def typing(self, *words):
        """Run it on a terminal of 100 columns and 30 rows."""
        return pexpect.spawn(
            COMMAND[0],
            [*COMMAND[1:], *words],
            cwd=self.work,
            env=self.environment,
            timeout=30,
            dimensions=(30, 100),
            encoding="utf-8",
        )


@pytest.fixture(scope="module")
def place():
    """Give folders to a gateway; the first ``create`` starts it, on a port that is free."""
    with open_workdir() as work, tempfile.TemporaryDirectory(prefix="openshell-cli.") as root:
        os.chmod(root, 0o755)
        there = Place(root, str(work))
        there("sandbox", "create", "--name", "base", "--workdir", "none", "--detach", "--", "sh", "-c", LOOP)
        started = there.said
        try:
            assert "no gateway was configured: started one here, local, https://127.0.0.1:" in started
            yield there
        finally:
            there("gateway", "start", "--detach")  # a test that failed may have left none
            there("sandbox", "delete", "--all")
            there("gateway", "stop")


def ended(child):
    """Return the exit code of a command on a terminal, once it has ended."""
    child.expect(pexpect.EOF)
    child.close()
    return child.exitstatus


def test_exec_on_a_terminal(place):
    """The program has a terminal as large as this one, also when that changes, and its exit code is this one's."""
    script = "trap 'stty size' WINCH; stty size; until read x; do :; done; exit 4"
    child = place.typing("sandbox", "exec", "-n", "base", "--", "sh", "-c", script)
    child.expect("30 100")
    child.setwinsize(40, 120)
    child.expect("40 120")
    child.sendline("on")
    assert 4 == ended(child)


def test_a_shell_that_is_left_and_found_again(place):
    """``create`` on a terminal gives a login shell; Ctrl-P Ctrl-Q leaves it, ``connect`` replays what it wrote."""
    child = place.typing("sandbox", "create", "--name", "shell", "--workdir", "none")
    child.expect("sandbox shell")
    child.sendline("echo $((40+2))")
    child.expect("42\r\n")
    child.send("\x10\x11")
    child.expect("detached; openshell sandbox connect shell")
    assert 0 == ended(child)
    child = place.typing("sandbox", "connect")  # the last one used
    child.expect("42\r\n")
    child.sendline("exit 6")
    assert 6 == ended(child)
    child = place.typing("sandbox", "connect", "shell")
    child.expect("has ended")
    child.sendline("exit 2")
    assert 2 == ended(child)


def test_a_signal_ends_exec_and_its_program(place):
    """SIGTERM gives the terminal back and ends what runs in the sandbox."""
    child = place.typing("sandbox", "exec", "-n", "base", "--", "sh", "-c", "echo up; exec sleep 7531")
    child.expect("up")
    child.kill(signal.SIGTERM)
    assert 143 == ended(child)
    gone = "while grep -sq '75[3]1' /proc/[0-9]*/cmdline; do :; done"
    place("sandbox", "exec", "-n", "base", "--timeout", "20", "--", "sh", "-c", gone)


@pytest.mark.parametrize(
    ("script", "code", "said"),
    [
        ("cat; echo err >&2; exit 7", 7, "err\n"),
        ("kill -9 $$", 137, "openshell: sh was ended by SIGKILL\n"),
    ],
)
def test_create_with_a_command(place, script, code, said):
    """Streams and exit code are the command's, in the caller's folder, and ``--no-keep`` leaves nothing."""
    out = place(
        "sandbox", "create", "--name", "once", "--no-keep", "--", "sh", "-c", f"pwd; {script}", code=code, input="in"
    )
    assert out == f"{place.work}\n" + ("in" if code == 7 else "")
    assert place.said == f"openshell: sandbox once\n{said}"
    assert "once" not in place("sandbox", "list", "--names").split()


def test_create_passes_signals_on(place):
    """SIGINT reaches the command, which may take it as it likes."""
    script = "trap 'echo caught; exit 9' INT; echo ready; while :; do sleep 0.05; done"
    child = subprocess.Popen(
        [*COMMAND, "sandbox", "create", "--no-keep", "--", "sh", "-c", script],
        cwd=place.work,
        env=place.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert child.stdout is not None
    assert b"ready\n" == child.stdout.readline()
    child.send_signal(signal.SIGINT)
    assert (b"caught\n", 9) == (child.stdout.read(), child.wait(30))
    child.stdout.close()


def test_exit_codes_of_exec(place):
    """The command's own, a timeout, what is not found, what is ours."""
    for code, words in (
        (3, ("-n", "base", "--", "sh", "-c", "exit 3")),
        (124, ("-n", "base", "--timeout", "1", "--", "sleep", "30")),
        (127, ("-n", "base", "--", "no-such-program")),
        (126, ("-n", "base", "--", "/etc/passwd")),
        (125, ("-n", "nobody", "--", "true")),
    ):
        place("sandbox", "exec", *words, code=code)


def test_stop_start_and_a_new_gateway(place):
    """Stopped, a sandbox serves nothing; a gateway that is stopped and started again finds what runs."""
    place("sandbox", "stop", "base")
    assert "stopped" == json.loads(place("sandbox", "get", "base", "-o", "json"))["state"]
    place("sandbox", "exec", "-n", "base", "--", "true", code=125)
    place("sandbox", "start", "base")
    before = place("sandbox", "exec", "-n", "base", "--", "cat", "/proc/1/stat")
    place("gateway", "stop")
    assert "base" in place("sandbox", "list", "--names").split()  # from the records
    assert "showing this machine's records" in place.said
    place("sandbox", "create", "--name", "other", "--detach", "--no-tty", "--workdir", "none")
    assert "this machine's gateway did not run: started it, local, https://127.0.0.1:" in place.said
    place("sandbox", "delete", "other")
    assert "runs already" in place("gateway", "start", "--detach")
    assert before.split()[21] == place("sandbox", "exec", "-n", "base", "--", "cat", "/proc/1/stat").split()[21]


def test_a_policy_as_it_was_written(place):
    """Comments and lines are the file's, in the gateway and in what grants say of their origin; then in a new one."""
    file = os.path.join(place.work, "policy.yaml")
    text = "# Mine.\nversion: 1\n\nfilesystem_policy:\n  read_only: [/usr/bin]   # programs\n"
    for revision, written in ((1, text), (2, f"# Wider.\n{text}network_policies: {{a: {{endpoints: []}}}}\n")):
        with open(file, "w") as policy:
            policy.write(written)
        if revision == 1:
            place("sandbox", "create", "--name", "written", "--policy", file, "--detach", "--workdir", "none")
        else:
            assert "revision 2: loaded" in place("policy", "set", "written", "--policy", file, "--wait")
        assert written == place("policy", "get", "written", "--base")
        grants = json.loads(place("policy", "get", "written", "--full", "-o", "json"))["grants"]
        assert 4 + revision == next(one["origin"]["line"] for one in grants if one["origin"]["kind"] == "declared")
    assert text == place("policy", "get", "written", "--base", "--rev", "1")
    assert "2         yes     loaded" in place("policy", "list", "written")
    place("sandbox", "delete", "written")


def test_ports_end_with_their_sandbox(place):
    """A forwarding in the background is not left behind by the sandbox that it led into."""
    place("sandbox", "create", "--name", "ported", "--detach", "--no-tty", "--workdir", "none", "--forward", "0:8000")
    assert "ported" in place("forward", "list")
    place("sandbox", "delete", "ported")
    assert "no port is forwarded\n" == place("forward", "list")


def test_what_is_in_force(place):
    """Inspection, the full policy and the verification through the gateway are those of the record."""
    run = json.loads(place("sandbox", "inspect", "base", "-o", "json"))
    record = json.loads(place("sandbox", "inspect", run["meta"]["id"], "-o", "json"))
    assert record == run
    assert record["effective"] == json.loads(place("policy", "get", "base", "--full", "-o", "json"))
    assert "as reported" == json.loads(place("sandbox", "verify", "base", "-o", "json"))["verdict"]
    assert "LIFECYCLE:START" in place("logs", "base")
