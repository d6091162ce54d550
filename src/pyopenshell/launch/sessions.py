"""Init of a sandbox in which programs are started one by one: each is born here, inside the domain and the filter.

What it is told comes from the supervisor, in frames of ``launch.frames``; what it tells are pairs of numbers, the
session's and another, because nothing that is read from a sandbox may need a parser.
"""

from __future__ import annotations

import _socket
import errno
import marshal
import os
import select

from pyopenshell.kernel import process, signals
from pyopenshell.launch import files, frames, probe, reap, sessions_end, spawn, wire
from pyopenshell.launch.init import SIGNAL_SCOPE
from pyopenshell.launch.steps import CONTROL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn


def serve(plan: dict[str, Any], control: _socket.socket) -> NoReturn:
    """Serve until the supervisor closes the control socket; then everything in the sandbox ends."""
    code = 125
    scoped = bool(plan["confined"] and plan["handled"][2] & SIGNAL_SCOPE)
    try:
        if not plan["namespaces"]["pid"]:
            process.set_child_subreaper()
        code = Sessions(plan["workload"], control, is_apart=plan["namespaces"]["pid"] or scoped).serve()
    except sessions_end.Outrun:
        code = sessions_end.OUTRUN
    finally:
        if not plan["namespaces"]["pid"]:
            if scoped:
                reap.end_domain()
            reap.sweep()
        os._exit(code)


class Sessions:
    """The programs that run, by the number that the supervisor gave them."""

    def __init__(self, workload: dict[str, Any], control: _socket.socket, *, is_apart: bool) -> None:
        """Take children's ends from a descriptor from here on. ``is_apart``: no signal from here goes to others."""
        self._is_apart = is_apart
        self._workload = workload
        self._control = control
        self._reader = frames.Reader(control)
        # A background process that talks to its terminal is stopped by SIGTTOU; init must never be stopped.
        signals.signal(signals.SIGTTOU, signals.SIG_IGN)
        # The kernel delivers to a pid namespace's first process what that has a handler for, and Python has one.
        signals.signal(signals.SIGINT, signals.SIG_IGN)
        self._workdir = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._events = process.signal_fd((signals.SIGCHLD,))
        self._alive: dict[int, sessions_end.Session] = {}
        self._agents: dict[int, sessions_end.Session] = {}

    def serve(self) -> int:
        """Serve; return the exit code."""
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._events, select.POLLIN)
        while not self._reader.ended:
            ready = {fd for fd, _ in poll.poll()}
            if self._events in ready:
                while process.read_signal(self._events) is not None:
                    pass
                self._collect()
            if self._control.fileno() in ready:
                for kind, payload, descriptors in self._reader.take():
                    self._do(kind, payload, descriptors)
        return 0

    def _do(self, kind: bytes, payload: bytes, descriptors: list[int]) -> None:
        if kind == wire.SPAWN:
            self._spawn(marshal.loads(payload), descriptors)  # noqa: S302 - from the supervisor
        elif kind == wire.SIGNAL:
            number, signal = marshal.loads(payload)  # noqa: S302 - from the supervisor
            if number in self._alive:
                sessions_end.signal_group(self._alive[number].pid, signal)
        elif kind == wire.CONNECT:
            self._connect(*marshal.loads(payload))  # noqa: S302 - from the supervisor
        elif kind == wire.END:
            self._end(wire.number(payload))
        elif kind == wire.PROBE:
            probe.start(descriptors[0])
        elif kind == wire.FILES:
            self._start_agent(descriptors)

    def _spawn(self, asked: dict[str, Any], descriptors: list[int]) -> None:
        """Start a program, and tell its pid; or a negative errno where it could not be started."""
        number: int = asked["number"]
        try:
            pid, master = spawn.start(self._workload, asked, descriptors, self._workdir)
        except (OSError, ValueError) as error:  # ValueError: text that is no argument, folder or variable (NUL)
            self._tell(wire.STARTED, number, -(getattr(error, "errno", None) or errno.EINVAL))
            return
        finally:
            for fd in descriptors:
                os.close(fd)
        for other in self._alive.values():
            other.alone = False
        self._alive[number] = sessions_end.Session(number, pid, alone=not self._alive)
        if master >= 0:
            wire.send_descriptor(self._control, wire.TERMINAL, master)
            os.close(master)
        self._tell(wire.STARTED, number, pid)

    def _start_agent(self, descriptors: list[int]) -> None:
        """Start a file agent. Where that cannot be, its client sees the connection closed."""
        try:
            for connection in descriptors:
                pid = files.start(connection, self._workdir)
                # It counts as another program, so that it is not taken for what one of them left behind. The
                # supervisor numbers programs from 0.
                self._agents[-pid] = sessions_end.Session(-pid, pid, alone=False)
        except OSError:  # as many processes as there may be
            pass
        finally:
            for connection in descriptors:
                os.close(connection)

    def _connect(self, host: str, port: int) -> None:
        """Begin a connection, from in here, and hand it out: whoever gets it waits until it is there, or is not."""
        try:
            connection = _socket.socket(
                _socket.AF_INET6 if ":" in host else _socket.AF_INET, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC
            )
        except OSError as error:
            self._tell(wire.CONNECTED, 0, error.errno or errno.EIO)
            return
        try:
            connection.setblocking(False)
            failed = connection.connect_ex((host, port))
            if failed in (0, errno.EINPROGRESS):
                wire.send_descriptor(self._control, wire.TERMINAL, connection.fileno())
                failed = 0
        except (OSError, OverflowError) as error:  # OverflowError: no port has that number
            failed = getattr(error, "errno", None) or errno.EINVAL
        connection.close()
        self._tell(wire.CONNECTED, 0, failed)

    def _end(self, number: int) -> None:
        """Kill a program and all that it started, and tell when nothing of it is left."""
        session = self._alive.get(number)
        every = self._alive | self._agents
        if session and not sessions_end.everything(session, every, self._collect, can_hold=self._is_apart):
            raise sessions_end.Outrun
        self._tell(wire.END, number, 0)

    def _collect(self) -> None:
        """Reap all that ended, and tell of sessions."""
        sessions = {session.pid: number for number, session in self._alive.items()}
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._agents.pop(-pid, None)
            number = sessions.get(pid)
            if number is not None:
                del self._alive[number]
                self._tell(wire.EXITED, number, status)

    def _tell(self, kind: bytes, number: int, value: int) -> None:
        payload = number.to_bytes(4, "little", signed=True) + value.to_bytes(4, "little", signed=True)
        try:
            wire.send(CONTROL, kind, payload)
        except OSError:  # the supervisor is gone: the next read says so too
            pass
