"""A command's own terminal: of the sandbox, of a size, and in control of what runs on it."""

import os
import select
import signal

import pytest

from pyopenshell import CommandError
from tests.confined.zygote.conftest import sh


def read_until(process, word):
    """What the command printed, up to this word."""
    data = b""
    while word not in data:
        assert select.select([process.master], [], [], 60)[0], data
        data += os.read(process.master, 9999)
    return data


def test_it_is_the_commands_own(box):
    """Its controlling terminal, of the sandbox's; standard streams lead to it, and no other descriptor is there."""
    script = "tty; stty size; stty size < /dev/tty; ls /proc/self/fd | tr '\\n' ' '; cut -d' ' -f1,5,6,8 /proc/$$/stat"
    told = box.run(sh(script), terminal=(11, 22)).stdout.split("\r\n")
    name, size, own, rest = told[0], told[1], told[2], told[3]
    assert (True, "11 22", "11 22") == (name.startswith("/dev/pts/"), size, own)
    *descriptors, pid, group, session, foreground = rest.split()
    assert ["0", "1", "2", "3"] == descriptors
    assert {pid} == {group, session, foreground}


def test_each_command_has_another(box):
    """What is typed to one is not read by the other."""
    with box.popen(["/bin/cat"], terminal=True) as one, box.popen(["/bin/cat"], terminal=True) as two:
        os.write(one.master, b"first\n")
        os.write(two.master, b"second\n")
        assert b"second" not in read_until(one, b"first\r\nfirst\r\n")
        assert b"first" not in read_until(two, b"second\r\nsecond\r\n")
        one.kill()
        two.kill()


def test_its_keys_make_signals_and_ends(box):
    """Ctrl-C interrupts, Ctrl-D ends the input."""
    with box.popen(sh("echo ready; exec sleep 1000"), terminal=True) as process:
        read_until(process, b"ready")
        os.write(process.master, b"\x03")
        assert -signal.SIGINT == process.wait(60)
    with box.popen(sh("cat; echo ended $?"), terminal=True) as process:
        os.write(process.master, b"x\n\x04")
        assert b"ended 0" in read_until(process, b"ended 0")
        assert 0 == process.wait(60)


def test_a_new_size_is_told(box):
    """To the foreground's processes, by SIGWINCH."""
    script = "trap 'stty size; exit 4' WINCH; echo ready; while :; do sleep 0.01; done"
    with box.popen(sh(script), terminal=(5, 6)) as process:
        read_until(process, b"ready")
        process.resize(77, 99)
        assert b"77 99" in read_until(process, b"77 99")
        assert 4 == process.wait(60)


def test_the_background_may_not_read(box):
    """It is stopped by SIGTTIN, as on any terminal; the shell has job control."""
    script = "set -m; cat & wait $!; echo wait ended $?; jobs; kill -9 %1; echo over"
    with box.popen(["/bin/bash", "-c", script], terminal=True) as process:
        told = read_until(process, b"over")
        assert (True, True) == (b"wait ended 149" in told, b"Stopped" in told)
        process.wait(60)


def test_what_outlives_it_loses_it(box):
    """The leader's end hangs up what it left behind; then the other side is at its end."""
    with box.popen(sh("sleep 1000.5 & echo left"), terminal=True) as process:
        read_until(process, b"left")
        assert 0 == process.wait(60)
    assert "1000.5" not in box.run(sh("cat /proc/[0-9]*/cmdline | tr '\\0' '\\n'")).stdout.split("\n")


@pytest.mark.parametrize("name", ["no-such-program", "/etc/passwd"])
def test_what_cannot_be_started_leaves_no_terminal(box, name):
    """As often as one tries: terminals are few. That of the last one may be just going."""
    for _ in range(20):
        with pytest.raises(CommandError):
            box.run([name], terminal=True)
    assert box.run(["tty"], terminal=True).stdout in ("/dev/pts/0\r\n", "/dev/pts/1\r\n")
