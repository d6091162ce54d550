"""Cancelling a command: it goes with all that it started, and nothing else does."""

import os
import resource
import signal

import pytest

from pyopenshell import CommandTimeout, Sandbox
from tests.confined.launch.world import PYTHON, needs_python
from tests.confined.zygote.conftest import alive, sh

WORD = iter(f"1000.{number:05}" for number in range(10**5))
"""Arguments of sleep(1) by which a process is found again."""
DAEMON = "setsid sh -c 'sleep {0} & exit' >/dev/null 2>&1 </dev/null"
"""A process in a session of its own, whose parents have ended."""
PROCESSES = 700
"""How many processes the identity of a sandbox with a fork bomb may have."""
HEADLESS = """
import ctypes, threading, time
threading.Thread(target=time.sleep, args=(1000,)).start()
ctypes.CDLL(None).pthread_exit(None)
"""


def cancel(box, script, seconds=0.2):
    """Run a script that does not end by itself, and cancel it."""
    with pytest.raises(CommandTimeout) as late:
        box.run(sh(script), timeout=seconds)
    assert "held by the kernel" not in (late.value.hint or "")  # what is said of one that does not end
    return late.value.result


def test_it_goes_with_its_daemons(box):
    """Also those that left its session and lost their parents, where it ran alone."""
    word = next(WORD)
    assert signal.SIGKILL == cancel(box, f"{DAEMON.format(word)}; sleep {word} & exec sleep {word}").signal
    assert 0 == alive(box, word)


def test_a_background_program_of_an_earlier_one_stays(box):
    """However shortly before it was started: a hundredth of a second is a long time."""
    words = [next(WORD) for _ in range(10)]
    for word in words:
        box.run(sh(DAEMON.format(word)), check=True)
        cancel(box, "exec sleep 1000", 0)
    assert [1] * len(words) == [alive(box, word) for word in words]


def test_other_programs_stay(box):
    """With what they started; only daemons of which nobody can say whose they are stay too."""
    other, own, daemon = next(WORD), next(WORD), next(WORD)
    with box.popen(sh(f"{DAEMON.format(other)}; sleep {other} & exec sleep {other}")) as process:
        while alive(box, other) < 3:
            pass
        cancel(box, f"{DAEMON.format(daemon)}; sleep {own} & exec sleep {own}")
        assert (3, 0, 1) == (alive(box, other), alive(box, own), alive(box, daemon))
        assert process.poll() is None
        process.kill()


def test_one_that_stopped_itself(box):
    """SIGKILL needs no consent."""
    word = next(WORD)
    cancel(box, f"sleep {word} & kill -STOP $!; kill -STOP $$")
    assert 0 == alive(box, word)


def test_one_that_ignores_everything(box):
    """And whose children do."""
    word = next(WORD)
    cancel(box, f"trap '' TERM INT HUP QUIT; sleep {word} & sleep {word}; sleep {word}")
    assert 0 == alive(box, word)


def test_one_whose_first_thread_has_ended(box):
    """It looks like a zombie, and is none."""
    needs_python()
    with pytest.raises(CommandTimeout):
        box.run([PYTHON, "-I", "-S", "-c", HEADLESS], timeout=1)
    assert 0 == alive(box, HEADLESS)
    states = box.run(sh("cut -d' ' -f3,20 /proc/[0-9]*/stat"), check=True).stdout.split("\n")
    assert not [state for state in states if state.startswith("Z")]


def test_a_fork_bomb(options):
    """It is held while it is killed. Who was there before goes on, and what was stopped stays so."""
    word, resting = next(WORD), next(WORD)
    before = resource.getrlimit(resource.RLIMIT_NPROC)
    resource.setrlimit(resource.RLIMIT_NPROC, (PROCESSES, before[1]))  # not for root, but for its sandboxes
    try:
        box = Sandbox(**options).start()
    finally:
        resource.setrlimit(resource.RLIMIT_NPROC, before)
    with box:
        box.run(sh(f"{DAEMON.format(word)}; {DAEMON.format(resting)}"), check=True)
        (pid,) = box.run(sh(f"grep -lz ^{resting} /proc/[0-9]*/cmdline | grep -v self | cut -d/ -f3")).stdout.split()
        box.run(["kill", "-STOP", pid], check=True)
        cancel(box, "bomb() { bomb | bomb & }; bomb; sleep 1000", 0.5)
        assert 1 == alive(box, word)
        assert "T\n" == box.run(["cut", "-d ", "-f3", f"/proc/{pid}/stat"]).stdout
        assert 8 > len(box.run(sh("echo /proc/[0-9]*")).stdout.split())


def test_again_and_again(options):
    """At every moment of a short command; what runs beside it never notices."""
    with Sandbox(**options) as box, box.popen(["sleep", "1000"]) as other:
        for number in range(60):
            try:
                box.run(sh("sleep 0.004 & sleep 0.004"), timeout=number / 5000)
            except CommandTimeout:
                pass
        assert other.poll() is None
        assert box.run(sh("kill -0 $$; echo ok")).stdout == "ok\n"
        other.kill()


def test_ten_thousand_commands_leave_nothing(box):
    """Neither in the sandbox's first process nor in the zygote: memory, descriptors."""
    count = 10_000 if os.environ.get("OPENSHELL_TEST_LONG") else 1_000
    zygote = box._link.zygote.pid
    for _ in range(200):
        box.run(["/bin/true"])
    before = [memory(pid) for pid in (zygote, box.pid)]
    descriptors = len(os.listdir(f"/proc/{zygote}/fd"))
    for _ in range(count):
        box.run(["/bin/true"])
    after = [memory(pid) for pid in (zygote, box.pid)]
    assert [True, True] == [new - old < 512 for old, new in zip(before, after, strict=True)], (before, after)
    assert len(os.listdir(f"/proc/{zygote}/fd")) <= descriptors + 2  # it may be just about to close the last one's


def memory(pid):
    """The memory of a process that no file backs, in KiB."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("RssAnon:"))
