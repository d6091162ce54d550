"""The rules of a sandbox, and nothing else of one, around a program: so that root can be measured too.

A launch never runs anything as root. This does to a process, as whoever it is, what a launch does about procfs: a
Landlock ruleset, and for the broker the filter with its listener, served by an ancestor.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from pyopenshell.kernel import landlock, process, syscalls
from pyopenshell.kernel import namespaces as ns
from pyopenshell.landlock import downgrade, ruleset
from pyopenshell.launch import brokering, reap, reports
from pyopenshell.policy.access import READ_ONLY, READ_WRITE, THREAD_NAMES
from pyopenshell.seccomp import bpf, table

if TYPE_CHECKING:
    from typing import NoReturn

BARE = "no sandbox"
MODES = ("off", "broker", "write_file", "read_write")
TASK = "/proc/self/task"
"""The rule that is not offered: write_file on the folder of that name, instead of /proc."""
RULES: dict[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "write_file": (("/proc", THREAD_NAMES),),
    "read_write": (("/proc", READ_WRITE),),
    TASK: ((TASK, THREAD_NAMES),),
}
BASE = (("/", READ_ONLY), ("/dev/null", ("write_file",)))
"""What every mode grants: everything can be read and executed, so that only writing differs."""


def run(mode: str, command: list[str], *, uid: int | None = None, apart: bool = False) -> str:
    """Run a program under a mode's rules, as this uid; ``apart``: in a pid namespace with a procfs of its own.

    Returns what it printed. Raises RuntimeError where it did not end with 0.
    """
    reader, writer = os.pipe()
    sys.stdout.flush()
    ancestor = os.fork()
    if ancestor == 0:
        os.close(reader)
        try:
            os._exit(_ancestor(mode, command, writer, uid, apart=apart))
        except BaseException as error:
            os.write(2, f"evidence: {type(error).__name__}: {error}\n".encode())
            os._exit(125)
    os.close(writer)
    with open(reader, encoding="utf-8") as pipe:
        printed = pipe.read()
    code = os.waitstatus_to_exitcode(os.waitpid(ancestor, 0)[1])
    if code != 0:
        raise RuntimeError(f"under {mode!r} the program ended with {code}")
    return printed


def _ancestor(mode: str, command: list[str], writer: int, uid: int | None, *, apart: bool) -> int:
    """Serve the program until it ends; return its exit code."""
    here = os.open("/proc", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    if apart:
        ns.unshare(ns.CLONE_NEWNS | ns.CLONE_NEWPID)
        ns.mount(None, "/", None, ns.MS_REC | ns.MS_PRIVATE, None)
    process.set_child_subreaper()
    channel = brokering.Channel() if mode == "broker" else None
    pid = os.fork()
    if pid == 0:
        os.dup2(writer, 1)
        _program(mode, command, uid, channel and channel.keep_inner(), apart=apart)
    os.close(writer)
    if channel is None:
        return reap.wait_and_sweep(pid)
    if uid is not None:  # a broker has the identity of whom it serves; root's keeps its capabilities to serve root
        process.set_ids(uid, uid, ())
    inbox = reports.Inbox()
    service = brokering.Brokering(channel, here, brokering.Reporter(inbox.sender.fileno()), depth=int(apart))
    return reap.wait_and_sweep(pid, service)


def _program(
    mode: str, command: list[str], uid: int | None, channel: brokering.Channel | None, *, apart: bool
) -> NoReturn:
    try:
        if apart:
            ns.mount("proc", "/proc", "proc", ns.MS_NOSUID | ns.MS_NODEV | ns.MS_NOEXEC, None)
        rules = [
            (path, os.open(path, os.O_PATH | os.O_CLOEXEC), downgrade.mask(access))
            for path, access in (*BASE, *RULES.get(mode, ()))
        ]
        if uid is not None:
            process.set_ids(uid, uid, ())
        process.set_no_new_privs()
        if mode != BARE:
            handled = downgrade.handled(landlock.abi(), tcp=False)
            fd, outcomes = ruleset.build(downgrade.mask(handled.fs), 0, 0, rules)
            if any(outcome["errno"] for outcome in outcomes):
                raise OSError(0, f"a rule was not accepted: {outcomes}")
            ruleset.enforce(fd)
        if channel:
            channel.install(bpf.build(table.THREAD_NAMES, syscalls.ARCHITECTURE))
            channel.close()
        null = os.open("/dev/null", os.O_RDONLY)
        os.dup2(null, 0)
        process.close_fds((0, 1, 2))
        os.execv(command[0], command)
    except BaseException as error:
        os.write(2, f"evidence: {type(error).__name__}: {error}\n".encode())
    finally:
        os._exit(125)
