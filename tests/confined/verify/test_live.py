"""``openshell sandbox verify`` on sandboxes that run: what it answers, and who may ask for it."""

import errno
import json
import marshal
import os
import select
import socket
import subprocess
from contextlib import contextmanager

import pytest

from pyopenshell.launch import endpoint
from tests.confined.launch import world
from tests.confined.verify import planted

WAIT = ("/bin/sh", "-c", "echo ready; read line; exit 0")
ASK = """
import marshal, os, socket, sys
folder = os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECTORY)
s = socket.socket(socket.AF_UNIX)
s.settimeout(30)
try:
    s.connect(f"/proc/self/fd/{folder}/control.sock")
    key = os.open("events.jsonl", os.O_RDONLY, dir_fd=folder)
    s.sendmsg([b"P"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, key.to_bytes(4, "little"))])
    data = marshal.dumps([("open", None, b"/", os.O_RDONLY)])
    try:
        s.sendall(len(data).to_bytes(4, "little") + data)
        print(s.recv(10) or "sent away")
    except (BrokenPipeError, ConnectionResetError):
        print("sent away")
    os.open("events.jsonl", os.O_WRONLY, dir_fd=folder)
except OSError as error:
    print(error.strerror)
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


def ask(folder, verb, key=None):
    """Say something to the door, with something to try; return what comes back: nothing from who sends us away."""
    client = endpoint.connect(folder)
    data = marshal.dumps([("open", None, b"/", os.O_RDONLY)])
    try:
        rights = [] if key is None else [(socket.SOL_SOCKET, socket.SCM_RIGHTS, key.to_bytes(4, "little"))]
        client.sendmsg([verb], rights)
        client.sendall(len(data).to_bytes(4, "little") + data)
        assert select.select([client], [], [], world.SECONDS)[0]
        return client.recv(100)
    except (BrokenPipeError, ConnectionResetError):
        return b""
    finally:
        client.close()


def test_who_may_write_the_record_gets_a_probe(sandbox):
    """It tries, and answers with four bytes: listing the root folder is denied."""
    with running(sandbox), door(sandbox) as folder:
        key = os.open(endpoint.KEY, os.O_WRONLY, dir_fd=folder)
        told = ask(folder, endpoint.PROBE, key)
        os.close(key)
    assert errno.EACCES.to_bytes(4, "little") == told


def test_silent_clients_are_in_nobodys_way(sandbox):
    """More than may wait: a verification goes through all the same, and the program ends as it would."""
    with running(sandbox) as process, door(sandbox) as folder:
        silent = [endpoint.connect(folder) for _ in range(2 * endpoint.MOST)]
        done = verify(sandbox)
        process.communicate(timeout=world.SECONDS)
        code = process.returncode
        for client in silent:
            client.close()
    assert (0, 0) == (done.returncode, code), done.stderr


@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_PATH])
def test_who_may_not_write_the_record_is_sent_away(sandbox, flags):
    """A descriptor that is not open for writing lets nobody in, nor does none."""
    with running(sandbox), door(sandbox) as folder:
        key = os.open(endpoint.KEY, flags, dir_fd=folder)
        answers = [ask(folder, endpoint.PROBE, key), ask(folder, endpoint.PROBE)]
        os.close(key)
    assert [b"", b""] == answers


def test_another_file_is_no_key(sandbox, tmp_path):
    """It must be the log of this run."""
    with running(sandbox), door(sandbox) as folder, (tmp_path / endpoint.KEY).open("wb") as file:
        assert b"" == ask(folder, endpoint.PROBE, file.fileno())


def test_an_unknown_verb(sandbox):
    """It is not served, whoever asks."""
    with running(sandbox), door(sandbox) as folder:
        key = os.open(endpoint.KEY, os.O_WRONLY, dir_fd=folder)
        told = ask(folder, b"?", key)
        os.close(key)
    assert b"" == told


def test_a_client_that_goes_away_takes_its_probe_along(sandbox):
    """No process of it stays in the sandbox, and the next verification finds everything as reported."""
    with running(sandbox), door(sandbox) as folder:
        for _ in range(3):
            client = endpoint.connect(folder)
            endpoint.ask(client, folder, endpoint.PROBE)
            client.close()
        assert 0 == verify(sandbox).returncode


def test_a_sandbox_cannot_ask(user):
    """One of the same uid, without mounts in the way and with the state folder in view, cannot write."""
    world.needs_python()
    user.world = world.NO_MOUNTS
    policy = world.policy(("/",), workdir=False)
    with running(user):
        path = os.path.realpath(user.record("live").path)
        done = user.run("-q", "--", world.PYTHON, "-I", "-c", ASK, path, policy=policy)
    assert "sent away\nPermission denied\n" == done.stdout
