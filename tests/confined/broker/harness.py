"""A sandbox reduced to its broker: the real one with the real filter, in a Landlock domain that denies writing.

``run`` forks an *ancestor*, which does what the stem of a launch does, and beneath it an *init*, which starts the
workload: a Python function, whose return value comes back, or a program, whose output does.
"""

from __future__ import annotations

import marshal
import os
import select
import signal
import traceback
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from pyopenshell.kernel import namespaces as ns
from pyopenshell.kernel import process, syscalls
from pyopenshell.landlock import downgrade, ruleset
from pyopenshell.launch import brokering, reap, reports
from pyopenshell.launch.become import become
from pyopenshell.seccomp import bpf, table
from tests.confined.landlock.harness import ABI, NOBODY, needs_landlock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Workload = Callable[[], Any] | list[str]

__all__ = ["NOBODY", "needs_landlock"]
SECONDS = 40
READING = ("execute", "read_file", "read_dir")


def handled() -> downgrade.Handled:
    """All that this kernel's Landlock can restrict, but for the network."""
    return downgrade.handled(ABI, tcp=False)


class Kind:
    """Whom a workload runs as, and whether in a pid namespace with a ``/proc`` of its own."""

    def __init__(self, who: str, *, pid_namespace: bool) -> None:
        self.who = who
        self.pid_namespace = pid_namespace
        self.groups: tuple[int, ...] = ()

    def __str__(self) -> str:
        return f"{self.who}{' in a pid namespace' if self.pid_namespace else ''}"

    def check(self) -> None:
        """Skip the test where this cannot be had."""
        if os.getuid() != 0 and (self.who == "root" or self.pid_namespace or self.groups):
            pytest.skip("needs: root")

    @property
    def plan(self) -> dict[str, Any]:
        """What ``become`` wants to know."""
        if os.getuid() != 0:
            return {"change_identity": False}
        uid = 0 if self.who == "root" else NOBODY
        return {"change_identity": True, "uid": uid, "gid": uid, "groups": self.groups}


KINDS = [Kind(who, pid_namespace=inside) for who in ("user", "root") for inside in (False, True)]
"""In the order of how much they need."""
USER = KINDS[0]


class Served:
    """A sandbox under way; ``ancestor`` is the broker's pid, and ``finish`` waits for the end."""

    def __init__(self, ancestor: int, inbox: reports.Inbox, output: int, hold: int) -> None:
        self.ancestor = ancestor
        self.uses: list[reports.Use] = []
        self.code: int | None = None
        self._inbox, self._output, self._hold = inbox, output, hold
        self._text = b""

    @property
    def counts(self) -> dict[str, int]:
        """How often each answer was given, without those that never were."""
        assert self._inbox.counts is not None, "the broker did not come to its end"
        return {kind: number for kind, number in self._inbox.counts.by_kind.items() if number}

    @property
    def untold(self) -> int:
        """How many uses were only counted."""
        assert self._inbox.counts is not None
        return self._inbox.counts.untold

    @property
    def serving(self) -> reports.Serving:
        """What the broker found that the kernel can."""
        assert self._inbox.serving is not None, "the broker got no listener"
        return self._inbox.serving

    @property
    def output(self) -> str:
        """What a program printed."""
        return self._text.decode()

    @property
    def answer(self) -> Any:
        """What a function returned, once it has."""
        assert self._text, f"no answer; the ancestor's exit code is {self.code}"
        kind, value = marshal.loads(self._text)
        assert kind == "value", value
        return value

    def take(self) -> bool:
        """Wait for reports or output, and take them; False once the broker is gone."""
        if not self._inbox.ended:
            ready, _, _ = select.select([self._inbox.fd, *([self._output] if self._output >= 0 else [])], [], [])
            if self._inbox.fd in ready:
                self.uses += self._inbox.take()
            if self._output in ready:
                self._read()
        return not self._inbox.ended

    def wait_for_end(self) -> None:
        """Wait until the broker has ended, and take no reports."""
        self.code = os.waitstatus_to_exitcode(os.waitpid(self.ancestor, 0)[1])

    def until_output_ends(self) -> None:
        """Take reports until the workload has ended and said all."""
        while self._output >= 0 and self.take():
            pass

    def finish(self) -> Served:
        """Wait for the end, taking reports all the while."""
        if self._hold >= 0:
            os.close(self._hold)
            self._hold = -1
        while self.take():
            pass
        while self._output >= 0:
            self._read()
        if self.code is None:
            self.code = os.waitstatus_to_exitcode(os.waitpid(self.ancestor, 0)[1])
        return self

    def _read(self) -> None:
        data = os.read(self._output, 65536)
        self._text += data
        if not data:
            os.close(self._output)
            self._output = -1


def run(workload: Workload, kind: Kind = USER, **options: Any) -> Served:
    """Run a workload to its end; ``options`` are those of ``start``. Whatever a function raises is raised here."""
    with start(workload, kind, **options) as served:
        served.finish()
    if callable(workload):
        _ = served.answer
    return served


@contextmanager
def start(
    workload: Workload,
    kind: Kind = USER,
    *,
    writable: object = None,
    ancestor: Callable[[], object] = int,
    inside: Callable[[], object] = int,
    keep: tuple[int, ...] = (),
    hold: bool = False,
) -> Iterator[Served]:
    """Start a workload, which may write beneath the folder ``writable``; it is ended at the latest afterwards.

    ``ancestor`` is called in the broker's process before anything is dropped, ``inside`` in init's while it still has
    its privileges; ``keep`` are descriptors for it. ``hold``: keep init, and so the broker, after the workload's end
    until ``finish``.
    """
    kind.check()
    inbox = reports.Inbox()
    read, write = os.pipe()
    held, release = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the test runner's own threads: the child starts none
        pid = os.fork()
    if pid == 0:
        _ancestor(workload, kind, inbox.sender.fileno(), write, held if hold else -1, writable, ancestor, inside, keep)
    inbox.sender.close()
    os.close(write)
    os.close(held)
    served = Served(pid, inbox, read, release)
    try:
        yield served
    finally:
        if served.code is None:
            os.kill(pid, signal.SIGKILL)
            served.finish()
        inbox.close()


def _ancestor(workload, kind, sender, output, held, writable, prepare, inside, keep):
    code = 125
    try:
        process.close_fds((0, 1, 2, sender, output, *keep, *((held,) if held >= 0 else ())))
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(SECONDS)  # reap.ALONE: the broker ends what is beneath it, and itself
        prepare()
        here = os.open("/proc", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        process.set_child_subreaper()
        if kind.pid_namespace:
            ns.unshare(ns.CLONE_NEWPID | ns.CLONE_NEWNS)
            ns.mount(None, "/", None, ns.MS_REC | ns.MS_PRIVATE)
        channel = brokering.Channel()
        pid = os.fork()
        if pid == 0:
            os.close(sender)
            _init(workload, kind, channel.keep_inner(), here, output, held, writable, inside)
        for fd in (output, *keep, *((held,) if held >= 0 else ())):
            os.close(fd)
        reporter = brokering.Reporter(sender)
        service = brokering.Brokering(channel, here, reporter, depth=int(kind.pid_namespace))
        brokering.drop(kind.plan)
        code = reap.wait_and_sweep(pid, service)
        service.end()
    except BaseException:
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(code)


def _init(workload, kind, channel, here, output, held, writable, inside):
    code = 125
    try:
        os.close(here)
        if kind.pid_namespace:
            ns.mount("proc", "/proc", "proc", 0)
        inside()
        rules = [("root", os.open("/", os.O_PATH), downgrade.mask(READING))]
        if writable is not None:
            rules.append(("writable", os.open(str(writable), os.O_PATH), downgrade.mask(handled().fs)))
        become(kind.plan)
        if kind.pid_namespace:
            process.set_parent_death_signal(signal.SIGKILL)
        enclose(channel, rules)
        pid = os.fork()
        if pid == 0:
            _work(workload, output)
        os.close(output)
        while (ended := os.wait())[0] != pid:
            pass
        if held >= 0:
            os.read(held, 1)
        code = os.waitstatus_to_exitcode(ended[1])
        code = code if code >= 0 else 128 - code
    except BaseException:
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(code)


def enclose(channel, rules):
    """Enter the domain, where there is Landlock, and the filter, as the last steps of a launch do."""
    process.set_no_new_privs()
    if ABI:
        fd, _ = ruleset.build(downgrade.mask(handled().fs), 0, downgrade.mask(handled().scoped), rules)
        ruleset.enforce(fd)
    for _, path_fd, _ in rules:
        os.close(path_fd)
    rows = table.rows(net_namespace=False, landlock_abi=ABI, broker=True)
    channel.install(bpf.build(rows, syscalls.ARCHITECTURE))
    channel.close()


def _work(workload, output):
    # Forked, not executed: a change of uid has made it undumpable, which no executed program would be.
    process.set_dumpable(True)
    if not callable(workload):
        os.dup2(output, 1)
        os.execv(workload[0], workload)
    try:
        answer = marshal.dumps(("value", workload()))
    except BaseException:  # raised again in the test
        answer = marshal.dumps(("error", f"in the sandbox: {traceback.format_exc()}"))
    with open(output, "wb") as file:
        file.write(answer)
    os._exit(0)
