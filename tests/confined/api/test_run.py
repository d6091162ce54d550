"""``Sandbox.run``: what a command is given, what comes of it, and that nothing outlasts it that should not."""

import os
import select
import signal
import subprocess
import sys
import threading
import time

import pytest

from pyopenshell import CommandError, CommandFailed, CommandTimeout, UsageError
from pyopenshell.sandbox import waiting
from tests.confined.api.conftest import descriptors

LARGE = os.urandom(1 << 20)
"""More than pipes and sockets hold."""


def sh(script):
    """A command for the shell."""
    return ["/bin/sh", "-c", script]


def is_alive(box, marker):
    """Whether a process with this word in its command line is left in the sandbox."""
    found = box.run(sh("cat /proc/[0-9]*/cmdline | tr '\\0' '\\n'"))
    return marker in found.stdout.split("\n")


def seen_from_here(marker):
    """Whether a process with this word in its command line is there, seen from outside, where nobody has to answer."""
    for folder in os.listdir("/proc"):
        if folder.isdigit():
            try:
                with open(f"/proc/{folder}/cmdline", "rb") as file:
                    if marker.encode() in file.read().split(b"\0"):
                        return True
            except OSError:  # it ended a moment ago
                pass
    return False


def test_a_result_says_how_it_ended_and_what_was_written(box):
    """Exit code and both streams, each whole and apart."""
    result = box.run(sh("echo out; echo err >&2; exit 3"))
    assert (3, None, "out\n", "err\n", False) == (
        result.exit,
        result.signal,
        result.stdout,
        result.stderr,
        result.ok,
    )
    assert ("/bin/sh", "-c", "echo out; echo err >&2; exit 3") == result.command
    assert 0 < result.seconds < 60


def test_a_signal_is_told_as_a_shell_does(box):
    """128+n, and the signal itself."""
    result = box.run(sh("kill -TERM $$"))
    assert (128 + signal.SIGTERM, signal.SIGTERM) == (result.exit, result.signal)


def test_a_large_input_comes_back_whole(box):
    """Feeding and reading go on at once: neither side waits for the other for ever."""
    assert LARGE == box.run(["/bin/cat"], input=LARGE).stdout_bytes


def test_an_input_that_is_not_read_is_no_error(box):
    """The command ends before it has read all; what is left over is dropped."""
    assert 0 == box.run(["/bin/true"], input=LARGE).exit


def test_text_is_utf8_both_ways(box):
    """Bytes that are none are replaced in the text, and kept beside it."""
    result = box.run(["/bin/cat"], input="häschen")
    assert ("häschen", "häschen".encode()) == (result.stdout, result.stdout_bytes)
    assert "a\N{REPLACEMENT CHARACTER}b" == box.run(["/bin/cat"], input=b"a\xffb").stdout


def test_without_input_there_is_an_end_at_once(box):
    """The caller's own standard input is not the command's."""
    assert "" == box.run(["/bin/cat"]).stdout


def test_variables_and_folder_are_set_for_one_command(box, workdir):
    """Over the sandbox's own variables; a relative folder is one of the working directory."""
    (workdir / "inner").mkdir(mode=0o755)
    result = box.run(sh("echo $GREETING; pwd"), env={"GREETING": "hello"}, cwd="inner")
    assert ["hello", str(workdir / "inner")] == result.stdout.split()
    assert "\n" == box.run(sh("echo $GREETING")).stdout


@pytest.mark.parametrize(("command", "code"), [(["no-such-program"], 127), (["/etc/passwd"], 126), (["/etc"], 126)])
def test_what_cannot_be_executed_is_an_error(box, command, code):
    """Not an exit code: that would be the program's own."""
    with pytest.raises(CommandError) as refused:
        box.run(command)
    assert code == refused.value.exit_code
    assert box.run(["/bin/true"]).ok  # and it harms nobody else


def test_a_checked_command_raises_with_its_result(box):
    """With the last thing that it said."""
    with pytest.raises(CommandFailed) as failed:
        box.run(sh("echo sorry >&2; exit 9"), check=True)
    assert 9 == failed.value.result.exit
    assert "its last words: sorry" == failed.value.hint
    assert box.run(["/bin/true"], check=True).ok


def test_a_timeout_kills_it_with_all_that_it_started(box, marker):
    """What it wrote until then is there; of its children, also in sessions of their own, nothing is."""
    with pytest.raises(CommandTimeout) as late:
        box.run(sh(f"echo begun; setsid sleep {marker} & sleep {marker}"), timeout=0.3)
    assert isinstance(late.value, TimeoutError)
    assert ("begun\n", 137, signal.SIGKILL) == (
        late.value.result.stdout,
        late.value.result.exit,
        late.value.result.signal,
    )
    assert not seen_from_here(marker)


def test_an_interrupt_kills_it_first(box, marker):
    """A handler that raises, as that of Ctrl-C does, ends the call; the command is gone by then."""

    def interrupt(_number, _frame):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGUSR1, interrupt)
    main = threading.main_thread().ident
    try:
        threading.Timer(0.2, signal.pthread_kill, (main, signal.SIGUSR1)).start()
        with pytest.raises(KeyboardInterrupt):
            box.run(sh(f"setsid sleep {marker} & exec sleep {marker}"))
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert not seen_from_here(marker)


def test_it_returns_when_the_command_has_exited(box):
    """What is left in the background, with the command's output in hand, is neither waited for nor ended."""
    began = time.monotonic()
    result = box.run(sh("setsid sleep 1000.5 & echo now"))
    assert "now\n" == result.stdout
    assert time.monotonic() - began < 60
    assert is_alive(box, "1000.5")


def test_all_that_was_written_is_there_at_the_end(box):
    """Also what a pipe held when the command exited."""
    for _ in range(20):
        assert 60000 == len(box.run(sh("head -c 60000 /dev/zero")).stdout_bytes)


def test_a_terminal_is_its_own(box):
    """With the size that was asked for; all that is printed is in one stream."""
    result = box.run(sh("tty; stty size; echo err >&2"), terminal=(33, 99))
    tty, size, err = result.stdout.split("\r\n")[:3]
    assert tty.startswith("/dev/pts/")
    assert ("33 99", "err", "") == (size, err, result.stderr)


def test_an_input_is_typed_on_a_terminal_and_ended(box):
    """The key for the end of file comes after it, whether or not its last line was finished."""
    for text in ("one\ntwo\n", "one\ntwo", ""):
        result = box.run(sh("stty -echo; echo ready; cat"), input=text, terminal=True, timeout=60)
        assert text.replace("\n", "\r\n") in result.stdout


def test_output_may_go_where_the_callers_goes(options):
    """Both streams of the process itself, as they are."""
    code = "import sys; from pyopenshell import Sandbox\n" + (
        f"with Sandbox(workdir={str(options['workdir'])!r}, max_abi={options['max_abi']}) as box:\n"
        "    result = box.run(['/bin/sh', '-c', 'echo out; echo err >&2'], capture=False)\n"
        "assert (result.stdout, result.stderr) == ('', '')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment())
    assert ("out\n", "err\n", 0) == (done.stdout, done.stderr, done.returncode)


def test_of_the_callers_terminal_nothing_can_be_read(options, workdir):
    """It is handed on for writing alone."""
    code = (
        "from pyopenshell import Sandbox\n"
        f"with Sandbox(workdir={str(workdir)!r}, max_abi={options['max_abi']}) as box:\n"
        "    print(box.run(['/bin/sh', '-c', 'echo hello; head -c 1 <&1'], capture=False).exit)"
    )
    master, slave = os.openpty()
    process = subprocess.Popen([sys.executable, "-c", code], stdin=slave, stdout=slave, stderr=slave, env=environment())
    os.close(slave)
    os.write(master, b"secret\n")
    shown = b""
    try:
        while piece := os.read(master, 4096):
            shown += piece
    except OSError:  # EIO: it has ended
        pass
    process.wait()
    os.close(master)
    assert b"hello\r\n" in shown
    assert b"Bad file descriptor" in shown
    assert shown.endswith(b"1\r\n")


@pytest.mark.parametrize(
    ("command", "how"),
    [
        ("echo hello", {}),
        ([], {}),
        (["a\0b"], {}),
        ([1], {}),
        (["true"], {"env": {"A=B": "c"}}),
        (["true"], {"env": {"A": None}}),
        (["true"], {"timeout": -1}),
        (["true"], {"timeout": float("nan")}),
        (["true"], {"terminal": (0, 80)}),
        (["true"], {"input": 3}),
    ],
)
def test_what_makes_no_sense_is_refused(box, command, how):
    """Before anything is started."""
    with pytest.raises(UsageError):
        box.run(command, **how)


def test_nothing_is_left_open(box):
    """Neither by commands that end, nor by those that fail, are refused or are killed."""
    box.run(["/bin/true"])
    before = descriptors()
    for _ in range(5):
        box.run(sh("echo x; exit 1"), input="x")
        box.run(["tty"], terminal=True)
        with pytest.raises(CommandError):
            box.run(["no-such-program"])
        with pytest.raises(CommandTimeout):
            box.run(["sleep", "1000"], timeout=0)
    assert before == descriptors()


def environment():
    """The variables with which this package is found."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def test_what_is_too_large_to_send_harms_nothing(box):
    """The sandbox is there afterwards; what is large is input."""
    for options in (
        {"command": ["/bin/true", "x" * (17 << 20)]},
        {"command": ["/bin/true"], "env": {"A": "x" * (17 << 20)}},
    ):
        with pytest.raises(UsageError, match="can be passed on"):
            box.run(**options)
    assert box.run(["/bin/true"]).ok


def test_a_command_that_ends_as_its_time_is_over_has_ended(box, monkeypatch):
    """The time may be over before anybody looked: what it did is told, with what it wrote."""

    def late(exchange, deadline):
        """Look when the command has ended, and say that nothing has come by then."""
        select.select([exchange.command.socket], [], [])
        return False

    with monkeypatch.context() as patched:
        step, steps = waiting.step, []

        def once(exchange, deadline):
            steps.append(exchange)
            return late(exchange, deadline) if len(steps) == 1 else step(exchange, deadline)

        patched.setattr(waiting, "step", once)
        result = box.run(sh("echo done; exit 3"), timeout=30)
        assert (3, "done\n") == (result.exit, result.stdout)
        steps.clear()
        with box.stream(sh("echo done; exit 3"), timeout=30) as stream:
            assert "done\n" == "".join(chunk.text for chunk in stream)
        assert 3 == stream.result.exit
