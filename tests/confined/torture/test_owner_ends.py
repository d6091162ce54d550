"""However and whenever the owner of sandboxes ends, no process of theirs is left, and no record stays locked."""

import os
import signal
import sys
import threading
import time

import pytest

from pyopenshell import runs
from tests.confined.torture import household, keeper, scale

THREADS = 4
ENDINGS = {
    "returns": "pass",
    "raises": "raise SystemExit(3)",
    "exits at once": "os._exit(4)",
    "is killed by itself": "os.kill(os.getpid(), 9)",
    "has a thread in run": "threading.Thread(target=box.run, args=(['sleep', '1000'],), daemon=True).start()",
    "has a process": "process = box.popen(['sleep', '1000'])",
    "streams": "stream = box.stream(['sh', '-c', 'echo; exec sleep 1000']); next(stream)",
}
"""What owners do last with a live sandbox that they do not close."""
STATUSES = {"raises": 3, "exits at once": 4, "is killed by itself": -signal.SIGKILL}
SCRIPT = """
import os, threading, warnings
warnings.simplefilter("ignore", ResourceWarning)
from tests.confined.torture import household
box = household.sandbox({workdir!r}, gpu=0).start()
assert box.run(["echo", "lives"]).stdout == "lives\\n"
{ending}
"""


def launch_for_ever(workdir):
    """Make sandboxes of both kinds, and commands that end and that do not, as long as this process lives."""
    while True:
        for gpu in (None, 0):
            with household.sandbox(workdir, gpu) as box:
                box.run(["true"])
                with box.popen(["sh", "-c", "sleep 1000 & exec sleep 1000"]) as process:
                    box.run(["true"])
                    process.kill()


def launcher(workdir, *, early):
    """An owner that launches from several threads; it can be ended from the ``early`` beginning, or once it is warm."""

    def owner(ready):
        if early:
            ready()
        else:
            with household.sandbox(workdir) as box:
                box.run(["true"])
            ready()
        threads = [threading.Thread(target=launch_for_ever, args=(str(workdir),)) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        threads[0].join()

    return owner


def leave_by_exception(workdir):
    """Leave the block of a sandbox, in which two processes run, by an exception."""
    with household.sandbox(workdir, gpu=0) as box:
        box.popen(["sh", "-c", "sleep 1000 & exec sleep 1000"])
        raise ZeroDivisionError


def locked_records():
    """The runs that count as alive."""
    return [view.id for view in runs.list_runs() if view.state in ("starting", "running")]


@pytest.mark.parametrize("early", [True, False], ids=["zygote starting", "launches under way"])
def test_killed(workdir, early):
    """SIGKILL at any instant, from before the zygote is there to the middle of many launches."""
    times = scale.instants(scale.many(10, 150), 0.4, f"killed {early}")
    ended = keeper.under(launcher(workdir, early=early), [keeper.kill(signal.SIGKILL, after) for after in times])
    assert [] == ended.left
    assert {-signal.SIGKILL} == set(ended.statuses)
    assert [] == locked_records()


@pytest.mark.parametrize("ending", ENDINGS)
def test_left_open(workdir, ending):
    """An interpreter that ends, in any way, and has not closed its sandbox."""

    def owner(_ready):
        script = SCRIPT.format(workdir=str(workdir), ending=ENDINGS[ending])
        os.environ["PYTHONPATH"] = os.pathsep.join(path or os.getcwd() for path in sys.path)
        os.execv(sys.executable, [sys.executable, "-c", script])

    ended = keeper.under(owner, [keeper.leave])
    assert ([], [STATUSES.get(ending, 0)]) == ended[:2]
    assert [] == locked_records()


def test_interrupted(workdir):
    """Ctrl-C in ``run``, at any instant: KeyboardInterrupt; the sandbox can be left, and nothing remains."""

    def owner(ready):
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with household.sandbox(workdir) as box:
            box.run(["true"])
        household.zygote()
        try:
            ready()
            with household.sandbox(workdir) as box:
                while True:
                    box.run(["sh", "-c", "sleep 1000 >/dev/null 2>&1 & sleep 0.01"])
                    box.run(["sleep", "0.01"])
        except KeyboardInterrupt:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        assert [] == household.nothing_lives(household.SPARES)
        with household.sandbox(workdir) as box:
            assert "goes on\n" == box.run(["echo", "goes on"]).stdout

    times = scale.instants(scale.many(10, 100), 0.1, "interrupted")
    ended = keeper.under(owner, [keeper.kill(signal.SIGINT, after) for after in times])
    assert ([], {0}) == (ended.left, set(ended.statuses))


def test_exception(workdir):
    """An exception leaves the block of a sandbox: that has ended when it arrives, whatever ran in it."""

    def owner(_ready):
        begun = time.monotonic()
        with pytest.raises(ZeroDivisionError):
            leave_by_exception(workdir)
        assert [] == household.nothing_lives()
        assert time.monotonic() - begun < household.SECONDS

    ended = keeper.under(owner, [keeper.leave])
    assert ([], [0]) == ended[:2]
