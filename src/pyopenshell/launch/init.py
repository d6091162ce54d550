"""The sandbox's first process: inside the domain and the filter, it starts the program, reaps, forwards signals.

Later sessions are born from it too, because a process cannot join a Landlock domain, only be born in it.
"""

from __future__ import annotations

import os
import select

from pyopenshell.kernel import process, signals
from pyopenshell.launch import reap, wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn


def serve(plan: dict[str, Any], control: int) -> NoReturn:
    """Start the program and stay until it ends; then everything else in the sandbox ends too."""
    # A background process that talks to its terminal is stopped by SIGTTOU; init must never be stopped.
    signals.signal(signals.SIGTTOU, signals.SIG_IGN)
    events = process.signal_fd((signals.SIGCHLD,))
    if not plan["namespaces"]["pid"]:
        process.set_child_subreaper()
    main = _start(plan, control)
    code = 125
    try:
        code = _loop(main, control, events)
    finally:
        if not plan["namespaces"]["pid"]:
            reap.sweep()
        os._exit(code)


def _start(plan: dict[str, Any], control: int) -> int:
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        _exec(plan, write)
    os.close(write)
    failure = os.read(read, 4)
    os.close(read)
    if failure:
        os.waitpid(pid, 0)
        wire.send(control, wire.EXEC_FAILED, failure)
        os._exit(125)
    wire.send_number(control, wire.STARTED, pid)
    return pid


def _exec(plan: dict[str, Any], failure: int) -> NoReturn:
    """Become the program: its own process group, in the foreground of its terminal, with signals as it expects."""
    try:
        os.setpgid(0, 0)
        if plan["terminal"]:
            os.tcsetpgrp(next(fd for fd in (0, 1, 2) if os.isatty(fd)), os.getpid())
        process.reset_signals()
        workload = plan["workload"]
        os.execve(workload["executable"], workload["argv"], workload["environment"])  # noqa: S606
    except OSError as error:
        os.write(failure, (error.errno or 0).to_bytes(4, "little"))
    finally:
        os._exit(125)


def _loop(main: int, control: int, events: int) -> int:
    poll = select.poll()
    poll.register(control, select.POLLIN)
    poll.register(events, select.POLLIN)
    while True:
        ready = {fd for fd, _ in poll.poll()}
        if events in ready:
            process.read_signal(events)
            code = _collect(main, control)
            if code is not None:
                return code
        if control in ready:
            frame = wire.receive(control)
            if frame is None:
                return 125  # the supervisor is gone, and with it the reason to go on
            if frame[0] == wire.SIGNAL:
                _signal_group(main, wire.number(frame[1]))


def _collect(main: int, control: int) -> int | None:
    """Reap all that ended. Report what became of the main process; return an exit code when it ended."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
        except ChildProcessError:
            return 125
        if pid == 0:
            return None
        if pid != main:
            continue
        if os.WIFSTOPPED(status):
            wire.send_number(control, wire.STOPPED, os.WSTOPSIG(status))
            continue
        wire.send_number(control, wire.EXITED, status)
        return 0


def _signal_group(main: int, number: int) -> None:
    try:
        os.killpg(main, number)
    except OSError:  # it ended a moment ago; its status is on the way
        pass
