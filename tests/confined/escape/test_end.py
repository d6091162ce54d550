"""Nothing of a sandbox outlives its command, however either of them ends."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tests.confined.escape import outside
from tests.confined.launch import world

FORKS = 200
ROUNDS = 10
DAEMON = """
import os, signal, sys
def detach():
    if os.fork():
        os._exit(0)
reader, writer = os.pipe()
if os.fork() == 0:
    os.setsid()
    detach()
    for number in range(1, 65):
        if number not in (signal.SIGKILL, signal.SIGSTOP, 32, 33):
            signal.signal(number, signal.SIG_IGN)
    os.write(writer, b"!")
    os.execv(sys.executable, [sys.executable, "-I", "-S", "-c", "import signal; signal.pause()", sys.argv[1]])
os.read(reader, 1)
"""
"""A daemon that has left its session and its parents, and takes no hint."""
ORPHANS = """
import time
def zombies():
    found = 0
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat") as file:
                state, parent = file.read().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        found += state == "Z" and int(parent) == os.getppid()
    return found
"""


@pytest.fixture
def marker(sandbox):
    """A word that is in the arguments of everything this test starts, and of nothing else."""
    return f"marked-{sandbox.workdir.name}"


def test_daemons_and_orphans(everywhere, marker):
    """While it runs init reaps what has lost its parents; afterwards daemons and 200 forks are gone."""
    world.needs_python()
    code = f"""{DAEMON}{ORPHANS}
alive, held = os.pipe()
for _ in range({FORKS}):
    if os.fork() == 0:
        detach()
        os._exit(0)
    os.wait()
os.close(held)
os.read(alive, 1)  # the end of the file: every orphan has ended
end = time.monotonic() + {world.SECONDS // 2}
while (left := zombies()) and time.monotonic() < end:
    os.sched_yield()
for _ in range({FORKS}):
    if os.fork() == 0:
        signal.pause()
print(left)
"""
    done = everywhere.run("-q", "--", world.PYTHON, "-I", "-S", "-c", code, marker)
    assert (0, "0\n", "") == world.outcome(done)
    assert [] == outside.left(marker)


def launch_time(sandbox):
    """How long a run takes here and now, in seconds."""
    begin = time.monotonic()
    assert 0 == sandbox.run("-q", "--", "/bin/true").returncode
    return time.monotonic() - begin


def test_the_supervisor_is_killed_at_any_instant(everywhere, marker):
    """No process is left, every record can be read, and the name is free again."""
    world.needs_python()
    longest = launch_time(everywhere)
    words = ("-q", "--name", "killed", "--", world.PYTHON, "-I", "-S", "-c", f"{DAEMON}\nsignal.pause()", marker)
    for _ in range(ROUNDS):
        delay = random.uniform(0, longest)
        with everywhere.start(*words, stdin=subprocess.DEVNULL) as process:
            try:
                code = process.wait(delay)
            except subprocess.TimeoutExpired:
                process.kill()
                code = process.wait()
            assert (-signal.SIGKILL, []) == (code, outside.left(marker)), f"killed after {delay} s"
        listed = subprocess.run(
            [sys.executable, "-m", "pyopenshell", "sandbox", "list", "-o", "json"],
            env=everywhere.environment,
            capture_output=True,
            timeout=world.SECONDS,
        )
        assert 0 == listed.returncode, listed.stderr
        json.loads(listed.stdout)
    done = everywhere.run("-q", "--name", "killed", "--", "/bin/echo", "again")
    assert (0, "again\n", "") == world.outcome(done)


@pytest.mark.parametrize("generation", [1, 2], ids=["stem", "init"])
def test_the_runtime_inside_is_killed(everywhere, marker, generation):
    """From outside, by an operator or for want of memory: the sandbox ends, and the command says so and fails."""
    world.needs_python()
    code = f"{DAEMON}\nprint('ready', flush=True)\nsignal.pause()"
    with everywhere.start("-q", "--", world.PYTHON, "-I", "-S", "-c", code, marker) as process:
        assert "ready" == world.read_line(process)
        pid = process.pid
        for _ in range(generation):
            with open(f"/proc/{pid}/task/{pid}/children") as file:
                pid = int(file.read().split()[-1])  # the youngest: the first was the trial
        os.kill(pid, signal.SIGKILL)
        assert process.stdin
        process.stdin.close()
        code, said = process.wait(world.SECONDS), process.stderr.read() if process.stderr else ""
    assert code not in (0, -signal.SIGKILL), said
    assert "SIGKILL" in said
    assert [] == outside.left(marker)


@pytest.mark.parametrize("folder", ["/tmp", "/var/tmp"])
def test_nothing_of_the_callers_is_tidied_away(sandbox, folder):
    """What a killed run left is removed by the next one; a folder of the caller's with a similar name is not."""
    sandbox.world = world.NO_NAMESPACES
    own = Path(tempfile.mkdtemp(prefix="openshell-", dir=folder))
    (own / "work").write_text("of a month")
    os.utime(own, (0, 0))
    try:
        assert 0 == sandbox.run("-q", "--", "/bin/true").returncode
        assert ["work"] == os.listdir(own)
    finally:
        shutil.rmtree(own, ignore_errors=True)
