"""A contributor ends, with all that it started: when it has answered, when it is late, and when its caller dies."""

import errno
import os
import select
import signal
import subprocess
import threading
import uuid
from pathlib import Path

import pytest

from pyopenshell import planning
from pyopenshell.errors import CommandError, ContributorError, OpenShellError
from pyopenshell.launch import reap
from pyopenshell.policy import load
from tests.confined.landlock.harness import needs_landlock

pytestmark = needs_landlock

SECONDS = 30
DAEMON = """
    import subprocess, threading, time

    def leave(token):
        # A process of another session, whose parent is gone and which holds all of the contributor's descriptors.
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.set_inheritable(3, True)
                os.execvp("sleep", ["sleep", f"1000.{token}"])
            os._exit(0)
        os.wait()

    def quick(request):
        leave("TOKEN")
        threading.Thread(target=time.sleep, args=[1000]).start()
        return []

    def stopped(request):
        leave("TOKEN")
        os.kill(os.getpid(), 19)

    def hang(request):
        leave("TOKEN")
        time.sleep(1000)
"""


@pytest.fixture
def token():
    """Digits that no other process has on its command line."""
    return str(uuid.uuid4().int)


@pytest.fixture
def lasting(anyones, token):
    """An environment whose contributors leave a daemon."""
    anyones.offer(DAEMON.replace("TOKEN", token), "quick", "hang", "stopped")
    return anyones


def alive(token):
    """The pids of the daemons with this token."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if words[0] == b"sleep" and any(token.encode() in word for word in words):
            found.append(int(folder.name))
    return found


def test_an_answer_is_enough(lasting, token):
    """Nobody waits for its threads, nor for a daemon that holds its descriptors; and that is killed."""
    done = lasting.run("quick")
    assert (0, []) == (done.returncode, alive(token)), done.stderr


@pytest.mark.slow
def test_hanging(lasting, token):
    """After ten seconds they are killed, with all that they started, whatever session that is in; one is stopped."""
    error = lasting.refused("hang", "stopped")
    assert "contributor.timeout" == error["code"]
    assert "(a-distribution 1.0) did not answer within 10 seconds" in error["message"]
    assert [] == alive(token)


KILLER = """
    import fcntl, signal, subprocess

    def it(request):
        subprocess.Popen(["setsid", "sleep", "1000.TOKEN"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        told = []
        reading, writing = os.pipe()
        for kill in (
            lambda: os.kill(os.getppid(), signal.SIGKILL),
            lambda: os.kill(0, signal.SIGKILL),
            lambda: signal.pidfd_send_signal(os.pidfd_open(os.getppid()), signal.SIGKILL),
            lambda: fcntl.fcntl(reading, fcntl.F_SETOWN, os.getppid()),
        ):
            try:
                kill()
            except OSError as error:
                told.append(error.errno)
        return [Grant("/opt", "read_only", str(told))]
"""


def test_below_abi_6_it_cannot_kill_what_ends_it(anyones, token):
    """Landlock keeps no signals apart there; the filter denies them, and what it started is killed all the same."""
    anyones.offer(KILLER.replace("TOKEN", token), "it")
    policy = anyones.policy("it")
    done = anyones.openshell("run", "--name", "it", "--max-abi", "5", "--policy", policy, "--", "true")
    assert (0, []) == (done.returncode, alive(token)), done.stderr
    assert [str([errno.EPERM] * 4)] == [one["reason"] for one in anyones.effective()["runtime_additions"]]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["SIGKILL", "SIGINT"])
def test_a_caller_that_dies_or_gives_up(lasting, token, number):
    """Long before the ten seconds are over nothing is left of it."""
    command = lasting.command("run", "--policy", lasting.policy("hang"), "--", "true")
    with subprocess.Popen(command, **lasting.options) as process:
        while not (found := alive(token)):
            assert process.poll() is None
        ends = [os.pidfd_open(pid) for pid in found]
        process.send_signal(number)
        for fd in ends:
            assert select.select([fd], [], [], 5)[0], "it lives on"
            os.close(fd)
    assert process.returncode in (130, -number)


def test_nothing_is_left_in_the_caller(workdir):
    """Neither a descriptor nor a child, whether the contributors failed or were never waited for; from any thread."""
    policy = load.parse(b"version: 1\nruntime: {contributors: [nobody-offers-this, nor-this]}\n")
    before = reap.children(), sorted(os.listdir("/proc/self/fd"))
    raised: list[BaseException] = []

    def plan(*command):
        try:
            planning.plan(planning.RunRequest(command, policy, workdir=str(workdir)))
        except OpenShellError as error:
            raised.append(error)

    for command in ("true", "/nowhere"):
        thread = threading.Thread(target=plan, args=[command])
        thread.start()
        thread.join()
    assert [ContributorError, CommandError] == [type(error) for error in raised]
    assert before == (reap.children(), sorted(os.listdir("/proc/self/fd")))
