"""A process that has sandboxes forks: they stay the parent's, and the child makes its own."""

import os
import signal
import subprocess
import threading

import pytest

from pyopenshell.errors import SandboxGone
from tests.confined.torture import household, keeper, scale


def in_fork(action):
    """Fork, act there, and end without ceremony; return the wait status."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            action()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def descriptors():
    """What this process has open that no file system names: sockets, pipes and the like."""
    found = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            found.add(os.readlink(f"/proc/self/fd/{name}"))
        except FileNotFoundError:  # the one by which this folder is read
            continue
    return {link for link in found if not link.startswith("/")}


def test_child(workdir):
    """The child's use of the parent's sandbox is refused; its own works, in a zygote of its own; the parent's lives.

    It keeps no descriptor of the parent's: as long as it had one, what the parent closes would not be closed.
    """

    def owner(_ready):
        others = descriptors()
        with household.sandbox(workdir) as box, box.popen(["cat"], stdin=subprocess.PIPE) as process:
            zygote = household.zygote()
            parents = {link for link in descriptors() - others if link.startswith(("socket:", "pipe:"))}
            assert len(parents) > 2

            def child():
                assert set() == descriptors() & parents
                with pytest.raises(SandboxGone):
                    box.run(["true"])
                box.close()
                with household.sandbox(workdir) as own:
                    assert "child\n" == own.run(["echo", "child"]).stdout
                    assert household.zygote() != zygote

            for _ in range(scale.many(2, 20)):
                assert 0 == in_fork(child)
                assert "parent\n" == box.run(["echo", "parent"]).stdout
                assert zygote == household.zygote()
            process.communicate()
            assert 0 == process.returncode

    ended = keeper.under(owner, [keeper.leave])
    assert ([], [0]) == ended[:2]


def test_child_outlives(workdir):
    """The owner is killed and a forked child of it lives on, with copies of all its descriptors: its sandboxes end."""

    def owner(ready):
        box = household.sandbox(workdir, gpu=0).start()
        process = box.popen(["sleep", "1000"])
        beneath = household.watch([household.zygote(), *household.descendants(household.zygote())])
        parent = os.pidfd_open(os.getpid())
        if os.fork() == 0:
            household.all_end([parent])
            os._exit(0 if household.all_end(beneath) else 7)
        ready()
        process.wait()

    ended = keeper.under(owner, [keeper.kill(signal.SIGKILL, 0)])
    assert ([], [-signal.SIGKILL]) == ended[:2]
    assert ended.slowest < household.SECONDS


def test_while_launching(workdir):
    """Forks while other threads are in the middle of launches: no lock of theirs is held for ever in the child."""

    def owner(_ready):
        stop = threading.Event()

        def work():
            while not stop.is_set():
                with household.sandbox(workdir) as box:
                    assert 0 == box.run(["true"]).exit

        def child():
            with household.sandbox(workdir) as own:
                assert "child\n" == own.run(["echo", "child"]).stdout

        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            assert {0} == {in_fork(child) for _ in range(scale.many(5, 100))}
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert [] == household.nothing_lives()

    ended = keeper.under(owner, [keeper.leave])
    assert ([], [0]) == ended[:2]
