"""Standard streams at a terminal: mixed with pipes and files, closed, shared with others, and fed in haste."""

import os
import threading

import pytest

from tests.confined.launch import world
from tests.confined.launch.shell import PROMPT

LONG = 100_000
"""Characters: a terminal holds 4,096 of them."""

MIXES = {
    "stdin is a pipe": ("echo word | openshell cat", "word\n"),
    "stdin is a file": ("openshell cat < /dev/null", ""),
    "stdin is closed": ("openshell cat <&-", ""),
    "stdout is a pipe": ("echo word | openshell cat | tr o O", "wOrd\n"),
    "stdout is a file": ("echo word | openshell cat > out; cat out", "word\n"),
    "stdout is closed": ("openshell true >&-", ""),
    "stderr is a file": ("echo word | openshell cat 2> err", "word\n"),
    "stderr is closed": ("echo word | openshell cat 2>&-", "word\n"),
    "all are files": ("openshell cat < /dev/null > out 2>&1; cat out", ""),
}


@pytest.mark.parametrize("mix", MIXES)
def test_mixes(shell, mix):
    """A stream that is no terminal passes through untouched, whatever the others are."""
    command, expected = MIXES[mix]
    assert (0, expected) == shell.outcome(command)


def test_closed_streams_are_filled(shell):
    """Inside, a closed standard stream is /dev/null, never a file of ours, and nothing else is open."""
    words = shell.program("import os; open('seen', 'w').write(repr([os.stat(fd).st_rdev for fd in (0, 1, 2)]))")
    code, _ = shell.outcome(f"openshell {words} <&- >&- 2>&-")
    assert (0, [os.stat("/dev/null").st_rdev] * 3) == (code, eval((shell.workdir / "seen").read_text()))


def test_typing_into_a_pipeline(shell):
    """What is typed is shown once, reaches the program line by line, and Ctrl-D ends its input."""
    shell.type("openshell cat | sed s/^/got-/; echo code=$?")
    shell.type("one")
    shell.terminal.send("two")
    shell.terminal.sendcontrol("d")
    shell.terminal.sendcontrol("d")
    shell.expect("code=0")
    assert "twogot-one\r\ngot-two" == shell.terminal.before.strip()
    shell.expect(PROMPT)


def test_a_pager_keeps_its_keys(shell):
    """In a pipeline, keys typed at a program that has taken the terminal are not taken from it."""
    (shell.workdir / "pager.py").write_text(
        """
import os, sys, termios, tty
sys.stdin.readline()
fd = os.open("/dev/tty", os.O_RDWR)
before = termios.tcgetattr(fd)
tty.setraw(fd)
os.write(fd, b"taken")
keys = b""
while len(keys) < 50:
    keys += os.read(fd, 1)
termios.tcsetattr(fd, termios.TCSADRAIN, before)
print("keys", keys.decode(), flush=True)
"""
    )
    words = shell.program("import signal; print('line', flush=True); signal.pause()")
    shell.type(f"openshell {words} | {world.PYTHON} pager.py")
    shell.expect("taken")
    for _ in range(50):
        shell.terminal.send("k")
    shell.expect("keys " + "k" * 50)
    shell.terminal.sendcontrol("c")
    shell.expect(PROMPT)


def test_a_long_paste(shell):
    """Much more than a terminal holds, pasted at once at a program that does not read yet, arrives whole."""
    words = shell.program(
        f"""
import sys, tty
tty.setcbreak(0)
print("paste" + " now" * 20000, flush=True)
count = 0
while count < {LONG}:
    count += len(sys.stdin.read(1))
print("all of it", flush=True)
"""
    )
    shell.type(f"openshell {words}")
    shell.expect("paste now")
    sender = threading.Thread(target=shell.terminal.send, args=("x" * LONG,))
    sender.start()
    shell.expect("all of it")
    sender.join()
    shell.expect(PROMPT)
