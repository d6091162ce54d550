"""Where the kernel offers less: no mounts, no namespaces. What is started ends all the same."""

import json
import os
import select
import subprocess
import sys
import uuid

import pytest

from tests.confined.landlock import harness
from tests.confined.launch import world

PRELUDE = """
import json, os, signal, sys, threading
from pyopenshell import CommandError, CommandTimeout, Sandbox, SandboxGone
given = json.loads(sys.argv[1])
marker, answer = given["marker"], {}
options = {"workdir": given["workdir"], "max_abi": given["max_abi"]}
DAEMON = f"setsid sh -c 'sleep {marker} & exit' >/dev/null 2>&1 </dev/null; "
def sh(script):
    return ["/bin/sh", "-c", script]
def parent(pid):
    with open(f"/proc/{pid}/stat") as file:
        return int(file.read().rpartition(")")[2].split()[1])
"""
WORLDS = {name: words for name, words in world.WORLDS.items() if words}
"""Those that offer less than all."""


@pytest.fixture(params=WORLDS)
def script(request, workdir):
    """Run a program in a world, until it ends; return what it put into ``answer``, and what lives on with its mark."""
    if harness.ABI == 0:
        pytest.skip("needs: Landlock")

    def run(text, code=0):
        marker = f"1000.{uuid.uuid4().int % 10**12:012}"
        limit = None if harness.ABI == harness.KERNEL_ABI else harness.ABI
        given = json.dumps({"marker": marker, "workdir": str(workdir), "max_abi": limit})
        program = [sys.executable, "-W", "ignore", "-c", f"{PRELUDE}{text}\nprint(json.dumps(answer))", given]
        around = [sys.executable, "-c", world._FILTER, *WORLDS[request.param], "--", *program]
        done = subprocess.run(around, capture_output=True, text=True, timeout=world.SECONDS, check=False)
        assert (code, "") == (done.returncode, done.stderr)
        left = world.with_marker(marker)
        return (json.loads(done.stdout) if done.stdout else None), [pid for pid in left if not over(pid)]

    return run


def over(pid):
    """Wait until a process has ended."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    ended = bool(select.select([fd], [], [], 10)[0])
    os.close(fd)
    return ended


def test_a_command_runs_and_its_sandbox_ends(script):
    """What it left in the background too, daemons included; the second sandbox is as good as the first."""
    answer, left = script("""
for _ in range(2):
    with Sandbox(**options) as box:
        answer.setdefault("out", []).append(box.run(sh(DAEMON + "echo out; exit 3")).exit)
        answer.setdefault("denied", []).append(box.run(sh("echo x > /etc/motd")).ok)
        answer.setdefault("pids", []).append(box.pid)
""")
    assert ([3, 3], [False, False], []) == (answer["out"], answer["denied"], left)
    assert 2 == len(set(answer["pids"]))


def test_a_cancelled_command_is_gone(script):
    """With its daemons, where it ran alone, and the sandbox lives on."""
    answer, left = script("""
with Sandbox(**options) as box:
    try:
        box.run(sh(DAEMON + f"sleep {marker} & exec sleep {marker}"), timeout=0.3)
    except CommandTimeout:
        pass
    words = b""
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            words += open(f"/proc/{name}/cmdline", "rb").read() if int(name) != os.getpid() else b""
        except OSError:
            pass
    answer["left"] = words.count(marker.encode() + b"\\0")
    answer["lives"] = box.run(["echo", "lives"]).stdout
""")
    assert ({"left": 0, "lives": "lives\n"}, []) == (answer, left)


@pytest.mark.parametrize("victim", ["box.pid", "parent(box.pid)"], ids=["the first process", "what is around it"])
def test_one_that_is_killed_takes_all_with_it(script, victim):
    """And nothing of another sandbox."""
    answer, left = script(f"""
with Sandbox(**options) as other, Sandbox(**options) as box:
    process = box.popen(sh(DAEMON + f"sleep {{marker}} & exec sleep {{marker}}"))
    box.run(["true"])
    victim = {victim}
    zygote = other._link.zygote.pid
    nursery = int(open(f"/proc/{{zygote}}/task/{{zygote}}/children").read().split()[0])
    answer["apart"] = victim not in (zygote, nursery)
    if answer["apart"]:
        os.kill(victim, signal.SIGKILL)
        try:
            process.wait(30)
        except SandboxGone:
            answer["told"] = True
    answer["other"] = other.run(["echo", "other"]).stdout
""")
    assert [] == left
    assert "other\n" == answer["other"]
    assert answer.get("told", not answer["apart"])


@pytest.mark.parametrize("end", ["os.kill(os.getpid(), 9)", "os._exit(0)"], ids=["killed", "exits"])
def test_its_owner_ends(script, end):
    """Without a pid namespace nobody but us ends what is left."""
    _, left = script(
        f"""
box = Sandbox(**options).start()
process = box.popen(sh(DAEMON + f"sleep {{marker}} & exec sleep {{marker}}"))
box.run(["true"])
{end}
""",
        -9 if "kill" in end else 0,
    )
    assert [] == left


def test_a_terminal_or_the_reason_why_not(script):
    """Without mounts there are only the host's, which no sandbox is to open."""
    answer, _ = script("""
with Sandbox(**options) as box:
    try:
        answer["out"] = box.run(["echo", "out"], terminal=True).stdout
    except CommandError as error:
        answer["code"], answer["message"] = error.code, str(error)
""")
    assert answer.get("out") == "out\r\n" or "command.terminal" == answer["code"]
    assert "no terminal" in answer.get("message", "no terminal")
