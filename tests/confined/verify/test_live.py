"""``openshell sandbox verify`` on sandboxes that run: what it answers, and who may ask for it."""

import errno
import json
import marshal
import os
import select
import subprocess
from contextlib import contextmanager

import pytest

from pyopenshell.launch import endpoint
from tests.confined.landlock.harness import needs_landlock
from tests.confined.launch import world
from tests.confined.verify import planted

WAIT = ("/bin/sh", "-c", "echo ready; read line; exit 0")
ASK = """
import os, sys
def attempt(flags):
    try:
        os.close(os.open(sys.argv[1] + "/door", flags | os.O_NONBLOCK))
        return "opened"
    except OSError as error:
        return error.strerror
print(*map(attempt, (os.O_WRONLY, os.O_RDWR, 3)), sep="\\n")
"""


@contextmanager
def running(sandbox, *options, policy=None, program=WAIT):
    """Start a sandbox named ``live`` whose program waits for its standard input to end."""
    with sandbox.start("-q", "--name", "live", *options, "--", *program, policy=policy) as process:
        assert "ready" == world.read_line(process)
        yield process


def verify(sandbox, *arguments):
    """Verify ``live``, outside of the world it is in."""
    words = [*world.COMMAND, "sandbox", "verify", "live", *arguments]
    return subprocess.run(
        words, cwd=sandbox.workdir, env=sandbox.environment, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize("options", [(), ("--gpu", "0")])
def test_a_sandbox_is_as_reported(everywhere, options):
    """Exit code 0, every attempt as expected, and nothing is left behind in the folders it may write."""
    with running(everywhere, *options):
        done = verify(everywhere, "-o", "json")
    assert (0, "") == (done.returncode, done.stderr)
    found = json.loads(done.stdout)
    assert ("pyopenshell.verification/1", "as reported") == (found["schema"], found["verdict"])
    assert (0, 0) == (found["counts"]["drift"], found["counts"]["unknown"])
    assert found["counts"]["attempts"] == len(found["attempts"])
    assert [] == os.listdir(everywhere.workdir)


def test_a_table_says_it_grant_by_grant(sandbox):
    """Each grant has its row, and the verdict comes first."""
    with running(sandbox):
        done = verify(sandbox)
    first, counts, *rest = done.stdout.splitlines()
    assert "Sandbox live: as reported" == first
    assert " attempts, " in counts
    row = next(line for line in rest if line.strip().startswith(str(sandbox.workdir)))
    assert row.split()[1] == "ok"


def test_drift_is_found_later_too(sandbox):
    """Exit code 1, a High finding for each, and an event in the run's log, which its supervisor goes on writing."""
    plant = planted.ROW_LEFT_OUT
    argv = ["--name", "live", "--", *WAIT]
    with planted.start(sandbox, *argv, plant=plant, WHICH="ptrace") as process:
        assert "ready" == world.read_line(process)
        done = verify(sandbox, "-o", "json")
        process.communicate(timeout=world.SECONDS)
    (finding,) = json.loads(done.stdout)["findings"]
    assert (1, "outcome.drift", "High") == (done.returncode, finding["code"], finding["severity"])
    events = sandbox.record("live").events
    told = [event for event in events if event["metadata"]["event_code"] == "outcome.drift"]
    assert [(2004, "High", True)] == [(one["class_uid"], one["severity"], one["is_alert"]) for one in told]
    assert "sandbox.stop" == events[-1]["metadata"]["event_code"]


def test_drift_before_the_start_is_recorded(sandbox):
    """As findings of the run, whose exit says why it was not started, and as events."""
    done = planted.run(
        sandbox, "--verify", "--name", "live", "--", "/bin/true", plant=planted.ROW_LEFT_OUT, WHICH="ptrace"
    )
    record = sandbox.record("live")
    assert (125, "verify.drift") == (done.returncode, record.exit["error"]["code"])
    assert "High" == record.findings["outcome.drift"]["severity"]
    assert 1 == sum(event["metadata"]["event_code"] == "outcome.drift" for event in record.events)


def test_one_that_has_ended(sandbox):
    """There is nothing to try: exit code 4."""
    sandbox.run("-q", "--name", "live", "--", "/bin/true")
    done = verify(sandbox)
    assert (4, "") == (done.returncode, done.stdout)
    assert "does not run" in done.stderr


def test_one_that_never_was(sandbox):
    """Exit code 3."""
    words = [*world.COMMAND, "sandbox", "verify", "nobody"]
    assert 3 == subprocess.run(words, env=sandbox.environment, capture_output=True, check=False).returncode


def test_a_probe_that_is_killed_shows_nothing(sandbox):
    """What a hostile program can do is to keep a verification from its end; that is never taken for a good one."""
    each = "p=${p#/proc/}; test $p = 1 -o $p = $$ || kill -9 $p"
    killer = f"echo ready; while :; do for p in /proc/[0-9]*; do {each}; done 2>/dev/null; done"
    with running(sandbox, program=("/bin/sh", "-c", killer)) as process:
        done = verify(sandbox)
        process.terminate()
    assert 4 == done.returncode
    assert "drift" not in done.stdout


@contextmanager
def door(sandbox):
    """The folder of the run, open."""
    folder = os.open(sandbox.record("live").path, os.O_RDONLY | os.O_DIRECTORY)
    yield folder
    os.close(folder)


def supervisor(sandbox):
    """The process that serves the door."""
    return sandbox.record("live").meta["supervisor_pid"]


def test_who_may_write_the_record_gets_a_probe(sandbox):
    """It tries, and answers with four bytes: listing the root folder is denied."""
    data = marshal.dumps([("open", None, b"/", os.O_RDONLY)])
    with running(sandbox), door(sandbox) as folder:
        client = endpoint.ask(folder, endpoint.PROBE, supervisor(sandbox))
        client.sendall(len(data).to_bytes(4, "little") + data)
        assert select.select([client], [], [], world.SECONDS)[0]
        told = client.recv(100)
        client.close()
        left = [name for name in os.listdir(folder) if name.startswith(".client")]
    assert (errno.EACCES.to_bytes(4, "little"), []) == (told, left)


NONSENSE = (b"?" + b"0" * 32, b"P" + b"g" * 32, b"P../../../../../../../../../../../../", b"P", b"", b"\xff" * 3000)


def test_nonsense_is_in_nobodys_way(sandbox):
    """Unknown verbs, tokens that are none, and clients that are not there: the next one is served all the same."""
    with running(sandbox) as process, door(sandbox) as folder:
        fd = os.open(endpoint.NAME, os.O_WRONLY | os.O_NONBLOCK, dir_fd=folder)
        for text in (*NONSENSE, b"P" + b"0" * 32):
            os.write(fd, text + b"\n")
        done = verify(sandbox)
        os.close(fd)
        process.communicate(timeout=world.SECONDS)
    assert (0, 0) == (done.returncode, process.returncode), done.stderr


def test_only_the_supervisor_is_believed(sandbox, monkeypatch):
    """Who else connects to a client, to pass for the sandbox, is turned away."""
    monkeypatch.setattr(endpoint, "SECONDS", 0.5)
    with running(sandbox), door(sandbox) as folder, pytest.raises(TimeoutError):
        endpoint.ask(folder, endpoint.PROBE, os.getppid())


def test_nobody_is_behind_the_door_of_a_run_that_is_over(sandbox):
    """Nor is there a door."""
    with running(sandbox) as process:
        process.communicate(timeout=world.SECONDS)
    with door(sandbox) as folder:
        assert endpoint.NAME not in os.listdir(folder)
        with pytest.raises(FileNotFoundError):
            endpoint.ask(folder, endpoint.PROBE, supervisor(sandbox))


def test_a_client_that_goes_away_takes_its_probe_along(sandbox):
    """No process of it stays in the sandbox, and the next verification finds everything as reported."""
    with running(sandbox), door(sandbox) as folder:
        for _ in range(3):
            endpoint.ask(folder, endpoint.PROBE, supervisor(sandbox)).close()
        assert 0 == verify(sandbox).returncode


@needs_landlock
def test_a_sandbox_cannot_ask(user):
    """One of the same uid, without mounts in the way and with the state folder in view, cannot write, in no mode."""
    world.needs_python()
    user.world = world.NO_MOUNTS
    policy = world.policy(("/",), workdir=False)
    with running(user):
        path = os.path.realpath(user.record("live").path)
        done = user.run("-q", "--", world.PYTHON, "-I", "-c", ASK, path, policy=policy)
    assert "Permission denied\n" * 3 == done.stdout
