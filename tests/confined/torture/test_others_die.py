"""The zygote, a sandbox's first process or its broker is killed: what depends on it ends, and its owner goes on."""

import os
import random
import select
import signal
import threading

import pytest

from pyopenshell.errors import OpenShellError, SandboxGone, ZygoteError
from tests.confined.broker import features
from tests.confined.torture import household, keeper, scale

THREADS = 4


def killed_later(pid, seconds):
    """Start a thread that kills a process after some time; return it."""

    def wait_and_kill():
        select.select([], [], [], seconds)
        os.kill(pid, signal.SIGKILL)

    thread = threading.Thread(target=wait_and_kill)
    thread.start()
    return thread


def use_for_ever(box):
    """Run commands that end by themselves and at last one that does not."""
    for _ in range(3):
        box.run(["sleep", "0.001"])
    box.run(["sh", "-c", "sleep 1000 & exec sleep 1000"])


def until_told(workdir, outcomes, stop):
    """Launch until an error says why not, or until this is to stop; every command before did what it should."""
    try:
        while not stop.is_set():
            for gpu in (None, 0):
                with household.sandbox(workdir, gpu) as box:
                    assert "lives\n" == box.run(["echo", "lives"]).stdout
                    with box.popen(["sh", "-c", "sleep 1000 & exec sleep 1000"]) as process:
                        assert 0 == box.run(["true"]).exit
                        process.kill()
    except BaseException as error:
        outcomes.append(error)


@pytest.mark.parametrize("victim", ["zygote", "what forks for it"])
def test_zygote(workdir, victim):
    """It is killed at random instants of four threads' launches: all sandboxes end, a new zygote serves the next."""

    def owner(_ready):
        told = 0
        for after in scale.instants(scale.many(6, 100), 0.2, victim):
            with household.sandbox(workdir) as box:
                zygote = household.zygote()
                outcomes: list[BaseException] = []
                stop = threading.Event()
                arguments = (str(workdir), outcomes, stop)
                threads = [threading.Thread(target=until_told, args=arguments) for _ in range(THREADS)]
                for thread in threads:
                    thread.start()
                select.select([], [], [], after)
                beneath = household.watch([zygote, *household.descendants(zygote)])
                os.kill(household.machinery()[0 if victim == "zygote" else 1], signal.SIGKILL)
                assert household.all_end(beneath)
                stop.set()  # one that was between two sandboxes has noticed nothing, and uses a new zygote
                for thread in threads:
                    thread.join()
                assert [] == [error for error in outcomes if not isinstance(error, (SandboxGone, ZygoteError))]
                told += len(outcomes)
                with pytest.raises((SandboxGone, ZygoteError)):
                    box.run(["true"])
            with household.sandbox(workdir) as box:
                assert "goes on\n" == box.run(["echo", "goes on"]).stdout
            assert household.zygote() != zygote
        assert told > 0

    ended = keeper.under(owner, [keeper.leave])
    assert ([], [0]) == ended[:2]


@pytest.mark.parametrize("victim", ["init", "broker"])
def test_sandbox_loses(workdir, victim):
    """The first process or the broker is killed at a random instant of a command: the command's caller is told."""
    if victim == "broker" and not features.features()["addfd"]:
        pytest.skip("needs: a broker")

    def owner(_ready):
        with household.sandbox(workdir, gpu=0) as bystander:
            for after in scale.instants(scale.many(10, 200), 0.02, victim):
                with household.sandbox(workdir, gpu=0) as box:
                    chosen = box.pid if victim == "init" else box.receipt["broker"]["pid"]
                    assert chosen in household.sandboxed()
                    thread = killed_later(chosen, after)
                    with pytest.raises(SandboxGone):
                        use_for_ever(box)
                    thread.join()
                    with pytest.raises(SandboxGone):
                        box.run(["true"])
            assert "unharmed\n" == bystander.run(["echo", "unharmed"]).stdout
        assert [] == household.nothing_lives()

    ended = keeper.under(owner, [keeper.leave])
    assert ([], [0]) == ended[:2]


def assassin(stop, seconds, chosen):
    """Kill any process of any sandbox, again and again, until this is to stop; note which."""
    drawn = random.Random(scale.SEED)
    while not stop.wait(drawn.random() * seconds):
        victims = household.sandboxed()
        if victims:
            victim = drawn.choice(victims)
            try:
                os.kill(victim, signal.SIGKILL)
                chosen.append(victim)
            except ProcessLookupError:
                continue


def test_any_process(workdir):
    """Any process of any sandbox is killed at any instant, its start included: an error of ours, and all goes on."""

    def owner(_ready):
        stop = threading.Event()
        outcomes: list[BaseException] = []
        chosen: list[int] = []
        with household.sandbox(workdir) as box:
            box.run(["true"])
        zygote = household.zygote()
        killer = threading.Thread(target=assassin, args=(stop, 0.02, chosen))
        killer.start()
        enough = scale.many(40, 2000)
        while len(chosen) < enough:
            threads = [threading.Thread(target=until_told, args=(str(workdir), outcomes, stop)) for _ in range(THREADS)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        stop.set()
        killer.join()
        # A command that is killed itself, and nothing else, prints nothing: that is what is asserted in between.
        assert [] == [error for error in outcomes if not isinstance(error, (OpenShellError, AssertionError))]
        assert zygote == household.zygote()
        assert [] == household.nothing_lives()
        with household.sandbox(workdir, gpu=0) as box:
            assert "goes on\n" == box.run(["echo", "goes on"]).stdout

    ended = keeper.under(owner, [keeper.leave])
    assert ([], [0]) == ended[:2]
