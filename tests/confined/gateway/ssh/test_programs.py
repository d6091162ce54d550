"""SSH into real sandboxes, through a real gateway: shells and commands, and clients that vanish or do not read."""

import asyncio
import hashlib
import json
import os
import signal
import subprocess
from pathlib import Path

import asyncssh
import pexpect
import pytest

from tests.confined.gateway.ssh.tools import SECONDS, begun, found, proxy


def test_large_binary_both_ways(ssh):
    """Bytes pass as they are, in both directions at once, with the end of the input, and errors stay apart."""
    data = os.urandom(6 << 20)
    done = ssh("alpha", "cat; echo over >&2; exit 3", input=data)
    assert (3, hashlib.sha256(data).digest()) == (done.returncode, hashlib.sha256(done.stdout).digest())
    assert b"over\n" == done.stderr


def test_terminal(config):
    """A terminal of the sandbox's own: its size, what is typed, and that the size follows."""
    child = pexpect.spawn("ssh", ["-F", config, "alpha"], dimensions=(31, 97), timeout=20, encoding="utf-8")
    child.sendline("tty; stty size")
    child.expect(r"/dev/pts/0\s+31 97\s")
    child.setwinsize(40, 50)
    child.sendline("until stty size | grep -x '40 50'; do :; done; echo done=$((6 * 7)); exit 5")
    child.expect("done=42")
    child.expect(pexpect.EOF)
    child.close()
    assert 5 == child.exitstatus


def test_login_shell(ssh):
    """Without a command there is a login shell, also without a terminal; the language passes, nothing else does."""
    env = {**os.environ, "LC_ALL": "C.UTF-8", "FOO": "bar"}
    options = ("-o", "SendEnv=LC_* FOO", "-T")
    script = b'shopt -q login_shell && echo login; echo "$LC_ALL<$FOO>"; pwd; echo $HOME\n'
    first, second, where, home = ssh(*options, "alpha", input=script, env=env, alone=True).stdout.decode().splitlines()
    assert ("login", "C.UTF-8<>", where) == (first, second, home)


def test_signals(config):
    """An exit code and a death by signal are told apart, and a client can send signals."""

    async def work():
        async with asyncssh.connect("alpha", proxy_command=proxy(config), known_hosts=None, config=None) as client:
            coded = await client.run("exit 137")
            killed = await client.run("kill -KILL $$")
            process = await client.create_process("trap 'echo caught; exit 9' USR1; echo ready; while :; do :; done")
            await process.stdout.readline()
            process.send_signal("USR1")
            caught = await process.wait()
            return coded, killed, caught

    coded, killed, caught = asyncio.run(asyncio.wait_for(work(), SECONDS))
    assert (137, None) == (coded.exit_status, coded.exit_signal)
    assert (None, "KILL") == (killed.exit_status if killed.exit_status >= 0 else None, killed.exit_signal[0])
    assert (9, "caught\n") == (caught.exit_status, caught.stdout)


def test_no_such_command(ssh):
    """What the shell says is what is seen."""
    done = ssh("alpha", "no-such-command-here")
    assert 127 == done.returncode
    assert b"not found" in done.stderr


@pytest.mark.parametrize("stubborn", [False, True])
def test_client_that_vanishes(ssh, config, stubborn):
    """Its program gets SIGHUP, and is killed where that does not end it."""
    mark = f"vanished-{stubborn}"
    trap = "trap '' HUP" if stubborn else f"trap 'echo hup > {mark}; exit' HUP"
    command = f"{trap}; echo ready; while :; do sleep 0.1; done # {mark}"
    with begun(config, "alpha", command) as (_, output):
        assert b"ready\n" == output.readline()
    # [v]: the pattern does not match the command line it stands in.
    gone = ssh("alpha", f"while pgrep -f '# [v]anished-{stubborn}' >/dev/null; do sleep 0.1; done; cat {mark}")
    assert (b"" if stubborn else b"hup\n") == gone.stdout


def test_slow_reader(config, place):
    """A program whose client does not read waits; the gateway keeps little of what it writes."""
    before = memory(place)
    with begun(config, "alpha", "head -c 300000000 /dev/zero") as (_, output):
        assert b"\0" == output.read(1)
        assert memory(place) - before < 64 << 20


def memory(place):
    """Return how many bytes of memory the gateway has had at most."""
    pid = json.loads((place / "state/openshell/gateway/gateway.json").read_text())["pid"]
    status = Path(f"/proc/{pid}/status").read_text()
    return int(found(r"VmHWM:\s+(\d+)", status)) << 10


def test_client_that_takes_nothing(config, place):
    """A client that announces a large window, and reads nothing, costs no more memory than one that is slow."""
    before = memory(place)
    # The program's progress, until it makes none.
    still = (
        'pid=$(pgrep -x head); now=; until [ "$now" = "$(cat /proc/$pid/io)" ];'
        " do now=$(cat /proc/$pid/io); sleep 0.3; done; echo still"
    )

    async def work():
        options = {"known_hosts": None, "config": None, "proxy_command": proxy(config)}
        async with asyncssh.connect("alpha", **options) as client:
            (pid,) = subprocess.run(
                ["pgrep", "-P", str(os.getpid()), "-f", "ssh-proxy"], stdout=subprocess.PIPE
            ).stdout.split()
            command = "exec head -c 300000000 /dev/zero"
            process = await client.create_process(command, encoding=None, window=1 << 30)
            await process.stdout.read(1)
            os.kill(int(pid), signal.SIGSTOP)
            try:
                async with asyncssh.connect("alpha", **options) as other:
                    return (await other.run(still)).stdout
            finally:
                os.kill(int(pid), signal.SIGKILL)

    assert "still\n" == asyncio.run(asyncio.wait_for(work(), SECONDS))
    assert memory(place) - before < 64 << 20
