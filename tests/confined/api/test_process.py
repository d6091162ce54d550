"""``Sandbox.popen``: what ``subprocess.Popen`` is for a bare command."""

import os
import signal
import subprocess
import sys
import textwrap

import pytest

from pyopenshell import CommandError, CommandTimeout, UsageError
from pyopenshell.zygote import client
from tests.confined.api.conftest import descriptors
from tests.confined.api.test_run import LARGE, is_alive, seen_from_here, sh

PIPE, DEVNULL, STDOUT = subprocess.PIPE, subprocess.DEVNULL, subprocess.STDOUT


def test_a_dialogue_through_pipes(box):
    """Lines go in and come out while it runs; leaving the block ends its input and waits for it."""
    with box.popen(["/bin/cat"], stdin=PIPE, stdout=PIPE) as process:
        for word in (b"one\n", b"two\n"):
            process.stdin.write(word)
            process.stdin.flush()
            assert word == process.stdout.readline()
        assert process.poll() is None
    assert 0 == process.returncode
    assert ("/bin/cat",) == process.args


def test_communicate_neither_waits_nor_loses(box):
    """More than pipes hold, both ways at once."""
    with box.popen(sh("cat; echo done >&2"), stdin=PIPE, stdout=PIPE, stderr=PIPE) as process:
        assert (LARGE, b"done\n") == process.communicate(LARGE)


def test_communicate_may_be_called_again(box):
    """After its time was over nothing is lost, and the command runs on."""
    with box.popen(sh("echo one; cat; sleep 0.5; echo two"), stdin=PIPE, stdout=PIPE) as process:
        with pytest.raises(CommandTimeout):
            process.communicate(b"fed\n", timeout=0.1)
        with pytest.raises(CommandTimeout):
            process.wait(timeout=0)
        assert (b"one\nfed\ntwo\n", b"") == process.communicate(timeout=60)


def test_streams_go_where_they_are_told(box, workdir):
    """Into a file, to nowhere, and both into one."""
    path = workdir / "out"
    with open(path, "wb") as file:
        box.popen(sh("echo out; echo err >&2"), stdout=file, stderr=STDOUT).wait()
        box.popen(sh("echo more; echo err >&2"), stdout=file.fileno(), stderr=DEVNULL).wait()
    assert "out\nerr\nmore\n" == path.read_text()
    with open(path, "rb") as source, box.popen(["/bin/cat"], stdin=source, stdout=PIPE) as process:
        assert b"out\nerr\nmore\n" == process.stdout.read()


def test_signals_reach_its_process_group(box):
    """And its return code is what ``subprocess`` says of a signal."""
    with box.popen(sh("trap 'echo caught; exit 5' USR1; echo ready; while :; do sleep 0.01; done"), stdout=PIPE) as it:
        assert b"ready\n" == it.stdout.readline()
        it.send_signal(signal.SIGUSR1)
        assert b"caught\n" == it.stdout.readline()
    assert 5 == it.returncode
    with box.popen(["sleep", "1000"]) as it:
        it.terminate()
        assert -signal.SIGTERM == it.wait(60)
        it.kill()  # it has ended: nothing happens


def test_an_error_in_the_block_kills_it(box, marker):
    """What would have been waited for."""
    with pytest.raises(ZeroDivisionError), box.popen(["sleep", marker]):
        raise ZeroDivisionError
    assert not seen_from_here(marker)


def test_one_that_is_forgotten_is_killed_with_a_warning(box):
    """There is nobody left who could wait for it."""
    process = box.popen(["sleep", "1000.0625"])
    with pytest.warns(ResourceWarning, match="still runs"):
        del process
    for _ in range(200):
        if not is_alive(box, "1000.0625"):
            return
    raise AssertionError("it is still there")


def test_a_terminal_can_be_spoken_to_and_resized(box):
    """Its other side is a descriptor; the program is told of a new size."""
    script = "stty -echo; trap 'stty size; exit' WINCH; echo ready; while :; do sleep 0.01; done"
    with box.popen(sh(script), terminal=(10, 20)) as process:
        assert b"ready\r\n" == os.read(process.master, 100)
        process.resize(30, 40)
        assert b"30 40\r\n" == os.read(process.master, 100)
    assert 0 == process.returncode
    with box.popen(["/bin/true"]) as process, pytest.raises(ValueError, match="no terminal"):
        process.resize(1, 1)


def test_what_cannot_be_started_raises_at_once(box):
    """Not found; and streams that are none."""
    with pytest.raises(CommandError):
        box.popen(["no-such-program"])
    for streams in ({"stdout": "a name"}, {"stdin": 9999}, {"stderr": -7}):
        with pytest.raises(UsageError):
            box.popen(["/bin/true"], **streams)


def test_a_terminal_is_no_input(box):
    """Not the caller's: what is typed there is not for a sandbox."""
    master, slave = os.openpty()
    try:
        with pytest.raises(UsageError, match="terminal"):
            box.popen(["/bin/cat"], stdin=slave)
    finally:
        os.close(master)
        os.close(slave)


def test_nothing_is_left_open(box):
    """Neither by processes that were waited for, nor by those that were closed."""
    box.popen(["/bin/true"]).wait()
    before = descriptors()
    for _ in range(3):
        box.popen(["/bin/cat"], stdin=PIPE, stdout=PIPE, stderr=PIPE).close()
        with box.popen(["/bin/cat"], stdin=PIPE, stdout=PIPE) as process:
            process.communicate(b"x")
        with box.popen(["tty"], terminal=True) as process:
            assert process.communicate()[0].startswith(b"/dev/pts")
    assert before == descriptors()


@pytest.mark.parametrize("closed", [(0, 1, 2), (1,), (2,)])
@pytest.mark.parametrize("when", ["before", "after"])
def test_closed_streams_lend_their_numbers_to_nothing_of_ours(tmp_path, workdir, closed, when):
    """A program that closed its own: what a command is given for them is nothing, and no way to its zygote."""
    program = f"""
        import os, subprocess, sys
        from pyopenshell import Sandbox
        from pyopenshell.zygote import client
        if {when == "after"}:
            Sandbox(workdir={str(workdir)!r}).start().close()
        for fd in {closed}:
            os.close(fd)
        with Sandbox(workdir={str(workdir)!r}) as box:
            process = box.popen(["/bin/sleep", "60"], stdin=-1, stdout=-1, stderr=-1)
            terminal = box.popen(["/bin/sleep", "60"], terminal=True)
            ours = [fd for holder in (*client.held, *client._zygotes.values()) for fd in holder.descriptors()]
            ours += [file.fileno() for file in (process.stdin, process.stdout, process.stderr)]
            process.kill(), terminal.kill()
            process.close(), terminal.close()
            told = box.run(["/bin/sh", "-c", "ls -l /proc/self/fd > fds"], capture=False).exit
            said = box.run(["/bin/cat"], input="x" * 100000).stdout
        with open({str(tmp_path / "told")!r}, "w") as file:
            print(told, len(said), min(fd for fd in ours if fd >= 0), file=file)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL)
    told = (tmp_path / "told").read_text().split()
    assert ["0", "100000"] == told[:2]
    assert int(told[2]) > 2
    given = [line.split(" -> ")[1] for line in (workdir / "fds").read_text().splitlines() if " -> " in line]
    assert not [where for where in given if where.startswith("socket:")]


def test_what_is_ours_is_given_to_nobody(box):
    """The number of a connection, or of the zygote's door, is no stream for a command."""
    for holder in (*client.held, *client._zygotes.values()):
        for fd in holder.descriptors():
            with pytest.raises(UsageError, match="speaks to its sandboxes"):
                box.popen(["/bin/true"], stdout=fd)
    with (
        box.popen(["/bin/echo", "on"], stdout=PIPE) as one,
        box.popen(["/bin/cat"], stdin=one.stdout, stdout=PIPE) as it,
    ):
        assert b"on\n" == it.stdout.read()


@pytest.mark.parametrize(("mode", "expected"), [("a+", "mine\nmore\nlast\n"), ("w+", "more\nlast\n")])
def test_what_the_caller_appends_to_is_opened_anew(tmp_path, workdir, mode, expected):
    """As its own stdout: it cannot be read, and the caller's flags stay. Of another file the place is shared."""
    tell = "import os; os.set_blocking(1, False); os.lseek(1, 0, 0); os.write(1, b'more\\n')"
    if mode == "a+":
        tell += "; import fcntl; assert fcntl.fcntl(1, fcntl.F_GETFL) & os.O_ACCMODE == os.O_WRONLY"
    program = f"""
        import os
        from pyopenshell import Sandbox
        file = open({str(tmp_path / "log")!r}, {mode!r})
        os.dup2(file.fileno(), 1)
        os.write(1, b"mine\\n")
        with Sandbox(workdir={str(workdir)!r}) as box:
            box.run(["/usr/bin/python3", "-c", {tell!r}], capture=False, check=True)
        assert os.get_blocking(1) == {mode == "a+"}
        os.write(1, b"last\\n")
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True)
    assert expected == (tmp_path / "log").read_text()
