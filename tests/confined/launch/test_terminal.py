"""A real terminal with a real shell in it: the sandbox has its own, and it feels like the caller's."""

import os
import shlex
import signal
import threading
from contextlib import suppress
from pathlib import Path

import pexpect
import pytest

from tests.confined.launch import world

PROMPT = "ready> "
LONG = 100_000
"""Characters: a terminal holds 4,096 of them."""


class Shell:
    """An interactive bash on a terminal of its own, where ``openshell`` runs a command in the world of the test."""

    def __init__(self, sandbox):
        self.workdir = sandbox.workdir
        (sandbox.folder / "openshell").write_text(f'#!/bin/sh\nexec {shlex.join(sandbox.argv("-q", "--"))} "$@"\n')
        (sandbox.folder / "openshell").chmod(0o755)
        path = f"{sandbox.folder}:{os.environ['PATH']}"
        self.terminal = pexpect.spawn(
            "/bin/bash",
            ["--norc", "--noprofile", "--noediting", "-i"],
            env={**sandbox.environment, "PS1": PROMPT, "TERM": "dumb", "PATH": path},
            cwd=str(sandbox.workdir),
            encoding="utf-8",
            timeout=world.SECONDS,
            dimensions=(30, 100),
        )
        self.terminal.delaybeforesend = None
        self.expect(PROMPT)

    def type(self, text):
        """Type a line and do not wait."""
        self.terminal.sendline(text)
        self.expect(f"{text}\r\n")

    def line(self, text):
        """Return what a command line printed, once the prompt is back."""
        self.type(text)
        self.expect(PROMPT)
        return str(self.terminal.before).replace("\r\n", "\n")

    def outcome(self, text):
        """Return exit code and output of a command line."""
        printed, _, code = self.line(f"{text}; echo code=$?").rpartition("code=")
        return int(code), printed

    def expect(self, text):
        """Wait until this is printed."""
        self.terminal.expect_exact(text)

    def until_started(self):
        """Wait until the command has the foreground. Shells swallow early signals, and so may an exec of Python's."""
        last = b"-I" if world.IS_ROOT else b"-m"  # root's command starts itself once more
        while True:
            leader = Path(f"/proc/{os.tcgetpgrp(self.terminal.child_fd)}/cmdline")
            with suppress(FileNotFoundError, ProcessLookupError):
                if leader.read_bytes().split(b"\0")[1:2] == [last]:
                    return
            os.sched_yield()

    def program(self, code):
        """Write a program into the working folder; return the words that run it."""
        world.needs_python()
        (self.workdir / "program.py").write_text(code)
        (self.workdir / "program.py").chmod(0o644)
        return f"{world.PYTHON} program.py"


@pytest.fixture(params=["namespaces", "no namespaces"])
def shell(request, sandbox):
    """A shell on a terminal, in the world that the test is about."""
    if not os.path.exists("/bin/bash"):
        pytest.skip("needs: bash")
    sandbox.world = world.WORLDS[request.param]
    found = Shell(sandbox)
    yield found
    found.terminal.close(force=True)


def test_a_terminal_of_its_own(shell):
    """Every stream is a terminal, they are one, and it is not the caller's."""
    words = shell.program("import os; print({os.ttyname(fd) for fd in (0, 1, 2)}, os.fstat(0).st_dev)")
    code, inside = shell.outcome(f"openshell {words}")
    assert (0, 1) == (code, inside.count("/dev/pts/"))
    assert inside != shell.line(words)


def test_the_callers_terminal_is_out_of_reach(shell):
    """Its node cannot be opened inside, though it may belong to the same user."""
    name = shell.line("tty").strip()
    words = shell.program(
        f"""
import os
if os.path.exists({name!r}) and os.stat({name!r}).st_dev == {os.stat(name).st_dev}:
    os.open({name!r}, os.O_RDWR)
else:
    raise PermissionError("not even in view")
"""
    )
    code, printed = shell.outcome(f"openshell {words}")
    assert (1, "PermissionError") == (code, printed.splitlines()[-1].partition(":")[0])


def test_nothing_is_typed_into_a_terminal(shell):
    """TIOCSTI and TIOCLINUX are denied by the filter, even on the sandbox's own terminal."""
    words = shell.program(
        """
import errno, fcntl
for request in (0x5412, 0x541C):
    try:
        fcntl.ioctl(0, request, b"x")
    except OSError as error:
        print(errno.errorcode[error.errno])
"""
    )
    assert (0, "EPERM\nEPERM\n") == shell.outcome(f"openshell {words}")


def test_size_and_resizing(shell):
    """The terminal inside has the size of the caller's, from the start and whenever it changes."""
    words = shell.program(
        """
import os, signal
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGWINCH})
print("at first", *os.get_terminal_size(), flush=True)
signal.sigwait({signal.SIGWINCH})
print("and then", *os.get_terminal_size())
"""
    )
    shell.type(f"openshell {words}")
    shell.expect("at first 100 30")
    shell.terminal.setwinsize(40, 120)
    shell.expect("and then 120 40")
    shell.expect(PROMPT)


def test_modes_are_handed_over(shell):
    """What the caller set with stty holds inside too."""
    shell.line("stty erase ^H -echoctl")
    code, printed = shell.outcome("openshell stty -a")
    assert (0, True, True) == (code, "erase = ^H" in printed, "-echoctl" in printed)


def test_stopping_and_going_on_outside(shell):
    """Ctrl-Z gives the caller's shell its terminal back; fg gives it to the program again."""
    shell.type("openshell cat")
    shell.terminal.sendline("one")
    shell.expect("one\r\none\r\n")
    shell.terminal.sendcontrol("z")
    shell.expect("Stopped")
    shell.expect(PROMPT)
    assert "here\n" == shell.line("echo here")
    shell.type("fg")
    shell.expect("openshell cat\r\n")
    shell.terminal.sendline("two")
    shell.expect("two\r\ntwo\r\n")
    shell.terminal.sendcontrol("d")
    shell.expect(PROMPT)
    assert "0\n" == shell.line("echo $?")


def test_stopping_at_once(shell):
    """A Ctrl-Z that comes before the program has executed stops it all the same, and loses nothing."""
    for _ in range(5):
        shell.type("openshell echo went on")
        shell.until_started()
        shell.terminal.sendcontrol("z")
        shell.terminal.expect("Stopped.*" + PROMPT)
        shell.terminal.sendline("while fg; do :; done; echo all over")
        shell.expect("\r\nall over\r\n")
        shell.expect(PROMPT)


def test_job_control_inside(shell):
    """A shell inside stops, resumes and interrupts its own jobs; the one outside does not notice."""
    shell.type("openshell env PS1='inside: ' /bin/bash --norc --noprofile --noediting -i; echo back")
    shell.expect("inside: ")
    shell.type("cat")
    shell.terminal.sendline("one")
    shell.expect("one\r\none\r\n")
    shell.terminal.sendcontrol("z")
    shell.expect("Stopped")
    shell.expect("inside: ")
    shell.type("fg")
    shell.expect("cat\r\n")
    shell.terminal.sendline("two")
    shell.expect("two\r\ntwo\r\n")
    shell.terminal.sendcontrol("c")
    shell.expect("inside: ")
    shell.type("exit")
    shell.expect("back")
    shell.expect(PROMPT)


WAITS = "import signal; signal.signal(signal.SIGINT, signal.SIG_DFL); print('up', flush=True); signal.pause()"


def test_interrupting(shell):
    """Ctrl-C ends the program with SIGINT, and nothing is said about it."""
    shell.type(f"openshell {shell.program(WAITS)}")
    shell.expect("up\r\n")
    shell.terminal.sendcontrol("c")
    shell.expect(PROMPT)
    assert "^C" == shell.terminal.before.strip()
    assert "130\n" == shell.line("echo $?")


def test_interrupting_at_once(shell):
    """A Ctrl-C is never lost, however early it comes."""
    for _ in range(5):
        shell.type("openshell sleep 1000")
        shell.until_started()
        shell.terminal.sendcontrol("c")
        shell.expect(PROMPT)


def test_in_the_background(shell):
    """A background job runs, prints, and leaves the terminal to the shell."""
    before = shell.line("stty -g")
    shell.type("openshell sh -c 'echo printed; : > made' & wait")
    shell.expect("printed\r")
    shell.expect(PROMPT)
    assert (shell.workdir / "made").exists()
    assert before == shell.line("stty -g")


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


ENDS = {
    "exit": ("exit 3", 3),
    "signal": ("kill -KILL $$", 137),
    "raw": ("stty raw -echo; exit 0", 0),
}


@pytest.mark.parametrize("end", ENDS)
def test_modes_are_restored(shell, end):
    """However the program ends, and whatever it did to its terminal, the caller's is as it was."""
    script, code = ENDS[end]
    before = shell.line("stty -g")
    assert code == shell.outcome(f"openshell sh -c '{script}'")[0]
    assert before == shell.line("stty -g")


def test_modes_are_restored_when_the_command_is_not_found(shell):
    """An error of ours leaves the terminal as it was."""
    before = shell.line("stty -g")
    assert 127 == shell.outcome("openshell no-such-command")[0]
    assert before == shell.line("stty -g")


def test_modes_are_restored_when_the_supervisor_is_terminated(shell):
    """SIGTERM from elsewhere is passed on, and the terminal given back."""
    before = shell.line("stty -g")
    shell.type(f"openshell {shell.program(WAITS)}")
    shell.expect("up\r\n")
    os.killpg(os.tcgetpgrp(shell.terminal.child_fd), signal.SIGTERM)
    shell.expect("ended by SIGTERM")
    shell.expect(PROMPT)
    assert before == shell.line("stty -g")


def test_a_program_that_stops_itself_where_nobody_could_resume_it(sandbox):
    """Without job control around, the command does not stop: whoever inside stopped the program resumes it."""
    code = "import os, signal; pid = os.fork()\nif pid: os.kill(os.getpid(), 19); print('resumed')\nelse:\n"
    code += " while open(f'/proc/{os.getppid()}/stat').read().split()[2] != 'T': os.sched_yield()\n"
    code += " os.kill(os.getppid(), 18)"
    assert (0, "resumed\n", "") == world.outcome(sandbox.run("-q", "--", world.PYTHON, "-c", code))
