"""``integrations.subprocess`` beside the standard library's: the same calls give the same, but for the policy."""

import gc
import os
import signal
import subprocess
import time

import pytest

from pyopenshell import Sandbox
from pyopenshell.integrations import subprocess as sandboxed


@pytest.fixture
def box(workdir, monkeypatch):
    """A sandbox for several programs."""
    monkeypatch.chdir(workdir)
    monkeypatch.setenv("PATH", "/usr/local/bin:/usr/bin:/bin")  # folders that whoever tests may enter
    with Sandbox() as found:
        yield found


def both(call, box):
    """Make a call with the standard library and with ours, and return both results, or both errors."""
    found = []
    for module, options in ((subprocess, {}), (sandboxed, {"sandbox": box})):
        try:
            found.append(call(module, options))
        except (OSError, subprocess.SubprocessError, ValueError, TypeError) as error:
            found.append((type(error), error.args, getattr(error, "filename", None), vars(error)))
    return found


SAME = {
    "what it wrote": lambda m, o: m.run(["sh", "-c", "echo out; echo err >&2; exit 3"], capture_output=True, **o),
    "text": lambda m, o: m.run(["printf", "é\r\n2"], stdout=m.PIPE, text=True, **o),
    "an encoding": lambda m, o: m.run(["printf", r"\351"], stdout=m.PIPE, encoding="latin-1", **o),
    "bad text": lambda m, o: m.run(["printf", r"\377"], stdout=m.PIPE, encoding="utf-8", errors="replace", **o),
    "stderr with stdout": lambda m, o: m.run(["sh", "-c", "echo a >&2"], stdout=m.PIPE, stderr=m.STDOUT, **o),
    "nothing": lambda m, o: m.run(["echo", "x"], stdout=m.DEVNULL, stderr=m.DEVNULL, **o),
    "input": lambda m, o: m.run(["cat"], input=b"x" * 1_000_000, stdout=m.PIPE, **o).stdout,
    "input as text": lambda m, o: m.run(["cat"], input="é\n", stdout=m.PIPE, text=True, **o),
    "input nobody reads": lambda m, o: m.run(["true"], input=b"x" * 1_000_000, **o).returncode,
    "a shell": lambda m, o: m.run("echo $((1 + 2)) | cat", shell=True, stdout=m.PIPE, **o),
    "arguments of a shell": lambda m, o: m.run(["echo $0", "name"], shell=True, stdout=m.PIPE, **o),
    "another shell": lambda m, o: m.run("echo $BASH", shell=True, executable="/bin/bash", stdout=m.PIPE, **o),
    "one word": lambda m, o: m.run("true", **o),
    "a signal": lambda m, o: m.run(["sh", "-c", "kill -9 $$"], **o).returncode,
    "a folder": lambda m, o: m.run(["pwd"], cwd="/usr", stdout=m.PIPE, **o).stdout,
    "a variable": lambda m, o: m.run(["/bin/sh", "-c", "echo $X"], env={"X": "1"}, stdout=m.PIPE, **o).stdout,
    "check": lambda m, o: m.run(["sh", "-c", "echo x; exit 4"], check=True, stdout=m.PIPE, **o),
    "check_output": lambda m, o: m.check_output(["echo", "x"], **o),
    "check_output of failures": lambda m, o: m.check_output(["false"], **o),
    "check_call": lambda m, o: m.check_call(["true"], **o),
    "check_call of failures": lambda m, o: m.check_call(["sh", "-c", "exit 5"], **o),
    "call": lambda m, o: m.call(["sh", "-c", "exit 6"], **o),
    "no such program": lambda m, o: m.run(["no-such-program"], **o),
    "no program": lambda m, o: m.run(["/etc/passwd"], **o),
    "no folder": lambda m, o: m.run(["true"], cwd="/etc/passwd", **o),
    "no program for this machine": lambda m, o: m.run(["./odd"], **o),
    "no such folder": lambda m, o: m.run(["true"], cwd="/nonexistent", **o),
    "a timeout": lambda m, o: m.run(["sh", "-c", "echo x; sleep 60"], timeout=0.5, stdout=m.PIPE, **o),
    "a timeout of silence": lambda m, o: m.run(["sleep", "60"], timeout=0.1, capture_output=True, **o),
    "input and stdin": lambda m, o: m.run(["cat"], input=b"", stdin=m.PIPE, **o),
    "twice captured": lambda m, o: m.run(["cat"], capture_output=True, stdout=m.PIPE, **o),
    "stdout of check_output": lambda m, o: m.check_output(["cat"], stdout=m.PIPE, **o),
}


@pytest.mark.parametrize("call", SAME.values(), ids=SAME.keys())
def test_the_same_as_the_standard_librarys(box, workdir, call):
    """Results are equal, and so are errors: type, arguments, and what they carry."""
    (workdir / "odd").write_bytes(b"\x7fELF of another machine")
    (workdir / "odd").chmod(0o755)
    real, ours = both(call, box)
    assert repr(real) == repr(ours)


def test_files_and_descriptors_are_streams(box, workdir):
    """An open file, and a number, can be given for each stream."""
    (workdir / "in").write_text("from a file")
    with open(workdir / "in", "rb") as stdin, open(workdir / "out", "wb") as stdout:
        sandboxed.run(["cat"], stdin=stdin, stdout=stdout.fileno(), sandbox=box)
    assert "from a file" == (workdir / "out").read_text()


def test_talking_to_a_program(box):
    """Lines go in and come out while it runs; ``communicate`` sends the rest."""
    with sandboxed.Popen(
        ["cat"], stdin=sandboxed.PIPE, stdout=sandboxed.PIPE, text=True, bufsize=1, sandbox=box
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("one\n")
        assert "one\n" == process.stdout.readline()
        assert ("two", None) == process.communicate("two")
    assert 0 == process.returncode


def test_communicate_goes_on_after_a_timeout(box):
    """What was read until then is in the error, and comes again with the rest."""
    script = "trap 'echo two; exit 0' TERM; echo one; while :; do sleep 0.05; done"
    with sandboxed.Popen(["sh", "-c", script], stdout=sandboxed.PIPE, sandbox=box) as process:
        with pytest.raises(sandboxed.TimeoutExpired) as caught:
            process.communicate(timeout=0.5)
        assert b"one\n" == caught.value.output
        process.terminate()
        assert (b"one\ntwo\n", None) == process.communicate()


def test_signals(box):
    """``send_signal``, ``terminate`` and ``kill`` reach it; the return code names the signal."""
    for send, number in (
        (lambda process: process.send_signal(signal.SIGHUP), signal.SIGHUP),
        (lambda process: process.terminate(), signal.SIGTERM),
        (lambda process: process.kill(), signal.SIGKILL),
    ):
        process = sandboxed.Popen(["sleep", "60"], sandbox=box)
        assert process.poll() is None
        with pytest.raises(sandboxed.TimeoutExpired):
            process.wait(0.05)
        send(process)
        assert -number == process.wait(20)
        send(process)  # it has ended: nothing happens
        assert -number == process.poll()


def test_a_sandbox_of_its_own_ends_with_the_program(workdir, monkeypatch):
    """With a policy, or nothing, a sandbox is made for this program; nothing of it is left when its end was seen."""
    monkeypatch.chdir(workdir)
    policy = workdir / "policy.yaml"
    policy.write_text("version: 1\n")
    process = sandboxed.Popen(["sh", "-c", "echo x > file"], policy=policy, stderr=sandboxed.DEVNULL)
    own = process._own
    assert own is not None
    process.wait()
    assert not (workdir / "file").exists()
    assert not own.is_open
    assert 0 == sandboxed.call(["sh", "-c", "echo x > file"])
    assert "x\n" == (workdir / "file").read_text()
    with pytest.raises(FileNotFoundError):
        sandboxed.Popen(["no-such-program"], policy=policy)
    process = sandboxed.Popen(["true"])
    own = process._own
    assert own is not None
    for _ in range(1000):
        if process.poll() is not None:
            break
        time.sleep(0.01)
    assert (0, False) == (process.poll(), own.is_open)


def test_a_sandbox_that_was_given_stays(box):
    """One program's end, or kill after a timeout, is not the sandbox's."""
    with pytest.raises(sandboxed.TimeoutExpired):
        sandboxed.run(["sleep", "60"], timeout=0.1, sandbox=box)
    assert box.is_open
    assert b"x\n" == sandboxed.check_output(["echo", "x"], sandbox=box)


def test_the_policy_is_in_force(box):
    """A program cannot read what nobody granted."""
    done = sandboxed.run(["cat", "/etc/shadow"], capture_output=True, text=True, sandbox=box)
    assert (1, "") == (done.returncode, done.stdout)
    assert "Permission denied" in done.stderr


def test_an_interrupted_run_leaves_nothing(box):
    """An exception while it is waited for (as Ctrl-C raises) kills the program."""
    marker = f"{60 + os.getpid() / 1e7:.7f}"

    def interrupt(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        with pytest.raises(KeyboardInterrupt):
            sandboxed.run(["sleep", marker], sandbox=box)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert marker not in box.run(["/bin/sh", "-c", "cat /proc/[0-9]*/cmdline"]).stdout


def test_no_descriptor_is_left(box):
    """Neither of a program that ended, nor of one that never began, nor of one that was killed."""
    gc.collect()  # what other tests have left
    before = sorted(os.listdir("/proc/self/fd"))
    for _ in range(5):
        finished = sandboxed.run(["cat"], input=b"x", capture_output=True, sandbox=box)
        with pytest.raises(FileNotFoundError):
            sandboxed.run(["no-such-program"], sandbox=box)
        with pytest.raises(sandboxed.TimeoutExpired):
            sandboxed.run(["sleep", "60"], timeout=0.05, capture_output=True, sandbox=box)
    assert b"x" == finished.stdout
    assert before == sorted(os.listdir("/proc/self/fd"))
