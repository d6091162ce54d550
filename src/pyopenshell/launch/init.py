"""The sandbox's first process: inside the domain and the filter, it starts the program, reaps, forwards signals.

Later sessions are born from it too, because a process cannot join a Landlock domain, only be born in it.
"""

from __future__ import annotations

import _socket
import os
import select

from pyopenshell.kernel import process, signals
from pyopenshell.landlock import downgrade
from pyopenshell.launch import probe, reap, wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn


SIGNAL_SCOPE = downgrade.mask(("signal",))
KEYS = (signals.SIGINT, signals.SIGQUIT, signals.SIGTSTP)
"""What a terminal's keys send. Init gets those that are typed before the program has taken the foreground."""


def wait_for_go(control: _socket.socket) -> bool:
    """Wait for the supervisor's word, and let it probe until then. Returns whether the program may start."""
    while (frame := wire.receive_descriptor(control)) is not None:
        # The workload has init's uid: it must not read init's memory or take its descriptors. Nor may a probe. Not
        # before the supervisor has spoken: it looks at this process's namespaces first, which it then could not.
        process.set_dumpable(False)
        kind, _payload, fd = frame
        if kind != wire.PROBE:
            return kind == wire.GO
        probe.start(fd)
    return False


def serve(plan: dict[str, Any], control: _socket.socket) -> NoReturn:
    """Start the program and stay until it ends; then everything else in the sandbox ends too."""
    # A background process that talks to its terminal is stopped by SIGTTOU; init must never be stopped.
    signals.signal(signals.SIGTTOU, signals.SIG_IGN)
    events = process.signal_fd((signals.SIGCHLD, *KEYS))
    if not plan["namespaces"]["pid"]:
        process.set_child_subreaper()
    main, failure = _start(plan)
    code = 125
    try:
        code = _loop(main, control, events, failure)
    finally:
        if not plan["namespaces"]["pid"]:
            if plan["confined"] and plan["handled"][2] & SIGNAL_SCOPE:
                reap.end_domain()
            reap.sweep()
        os._exit(code)


def _start(plan: dict[str, Any]) -> tuple[int, int]:
    """Fork the program. Returns its pid and the pipe that will hold execve's errno, or nothing.

    Nobody waits for it: a Ctrl-Z may stop the program before its exec.
    """
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        _exec(plan, write)
    os.close(write)
    try:
        os.setpgid(pid, pid)  # here and there: neither must wait for the other before it sends signals
    except OSError:  # it has executed already
        pass
    return pid, read


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


def _loop(main: int, supervisor: _socket.socket, events: int, failure: int) -> int:
    control = supervisor.fileno()
    poll = select.poll()
    poll.register(control, select.POLLIN)
    poll.register(events, select.POLLIN)
    while True:
        ready = {fd for fd, _ in poll.poll()}
        if events in ready:
            while (waiting := process.read_signal(events)) is not None:
                if waiting[0] in KEYS:
                    _signal_group(main, waiting[0])
            status = _collect(main, control)
            if status is not None:
                errno = os.read(failure, 4)
                if errno:
                    wire.send(control, wire.EXEC_FAILED, errno)
                else:
                    wire.send_number(control, wire.EXITED, status)
                return 0
        if control in ready:
            frame = wire.receive_descriptor(supervisor)
            if frame is None:
                return 125  # the supervisor is gone, and with it the reason to go on
            kind, payload, fd = frame
            if kind == wire.SIGNAL:
                _signal_group(main, wire.number(payload))
            elif kind == wire.PROBE:
                probe.start(fd)


def _collect(main: int, control: int) -> int | None:
    """Reap all that ended, and tell when the main process was stopped. Returns its wait status once it ended."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
        except ChildProcessError:  # only after the main process, and then nobody asks any more
            return None
        if pid == 0:
            return None
        if pid != main:
            continue
        if not os.WIFSTOPPED(status):
            return status
        wire.send_number(control, wire.STOPPED, os.WSTOPSIG(status))


def _signal_group(main: int, number: int) -> None:
    try:
        os.killpg(main, number)
    except OSError:  # it ended a moment ago; its status is on the way
        pass
