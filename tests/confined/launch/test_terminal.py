"""A real terminal with a real shell in it: the sandbox has its own, and it feels like the caller's."""

import os
import signal

import pytest

from tests.confined.launch import world
from tests.confined.launch.shell import PROMPT


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
