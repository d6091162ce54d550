"""The supervisor while the program runs: signals, the terminal, the broker's reports and clients, until it ends."""

from __future__ import annotations

import os
import select

from pyopenshell.kernel import process, signals
from pyopenshell.launch import wire
from pyopenshell.launch.ending import Exit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pyopenshell.launch.endpoint import Endpoint
    from pyopenshell.launch.reports import Inbox, Use
    from pyopenshell.launch.terminal import Relay

FORWARDED = (
    signals.SIGINT,
    signals.SIGTERM,
    signals.SIGHUP,
    signals.SIGQUIT,
    signals.SIGUSR1,
    signals.SIGUSR2,
    signals.SIGTSTP,
)
"""Signals that are passed on to the program's process group."""
ENDING = (signals.SIGINT, signals.SIGTERM, signals.SIGHUP, signals.SIGQUIT)
"""Those that end a launch before there is a program."""


class Following:
    """What is watched: descriptors of the control socket, of signals and of the stem's end, and what else there is."""

    def __init__(
        self,
        control: int,
        signal_fd: int,
        stem_end: int,
        *,
        relay: Relay | None,
        reports: Inbox | None,
        endpoint: Endpoint | None,
        told: Callable[[Use], None],
    ) -> None:
        """Remember them. ``told`` gets the broker's reports."""
        self._control = control
        self._signals = signal_fd
        self._stem_end = stem_end
        self._relay = relay
        self._reports = reports
        self._endpoint = endpoint
        self._report = told
        self._asked_to_stop = False
        self.asked_to_end = False

    def run(self) -> Exit | None:
        """Serve the control socket, signals and the terminal. None: the sandbox ended without telling how."""
        while True:
            ready = self._poll()
            if self._signals in ready:
                self._forward()
            if self._relay:
                self._terminal(self._relay, ready)
            if self._reports and self._reports.fd in ready:
                for use in self._reports.take():
                    self._report(use)
            if self._endpoint and self._endpoint.fd in ready:
                self._endpoint.serve()
            if self._control in ready:
                frame = wire.receive(self._control)
                if frame is None:
                    return None
                end = self._told(*frame)
                if end:
                    return end
            elif self._stem_end in ready and not select.select([self._control], [], [], 0)[0]:
                return None  # killed from outside; without a pid namespace init would go on without it

    def _terminal(self, relay: Relay, ready: set[int]) -> None:
        if relay.source in ready:
            relay.from_caller()
        relay.flush()
        relay.print()
        if relay.master in ready and not relay.unprinted:
            relay.from_sandbox()

    def _poll(self) -> set[int]:
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._signals, select.POLLIN)
        poll.register(self._stem_end, select.POLLIN)
        if self._reports and not self._reports.ended:
            poll.register(self._reports.fd, select.POLLIN)
        if self._endpoint:
            poll.register(self._endpoint.fd, select.POLLIN)
        if self._relay and not self._relay.closed:
            unprinted = bool(self._relay.unprinted)
            poll.register(
                self._relay.master,
                (0 if unprinted else select.POLLIN) | (select.POLLOUT if self._relay.waiting else 0),
            )
            if unprinted:
                poll.register(self._relay.output, select.POLLOUT)
            if self._relay.source is not None and self._relay.wants_input:
                poll.register(self._relay.source, select.POLLIN)
        return {fd for fd, _ in poll.poll()}

    def _told(self, kind: bytes, payload: bytes) -> Exit | None:
        if kind == wire.EXITED:
            code = os.waitstatus_to_exitcode(wire.number(payload))
            return Exit(code) if code >= 0 else Exit(128 - code, -code)
        if kind == wire.EXEC_FAILED:
            return Exit(126, exec_errno=wire.number(payload))
        if kind == wire.STOPPED:
            self._stop()
        return None

    def _stop(self) -> None:
        """Stop as the program did, so that the caller's shell has its terminal back, until told to go on.

        Not where the program stopped itself and no terminal is involved: it is someone inside who resumes it. And
        where nobody could resume us (an orphaned process group), the kernel ignores SIGTSTP, so the program goes on.
        """
        if not self._relay and not self._asked_to_stop:
            return
        self._asked_to_stop = False
        if self._relay:
            self._relay.leave()
        signals.pthread_sigmask(signals.SIG_UNBLOCK, (signals.SIGTSTP,))
        os.kill(os.getpid(), signals.SIGTSTP)
        signals.pthread_sigmask(signals.SIG_BLOCK, (signals.SIGTSTP,))
        if self._relay:
            self._relay.enter()
            self._relay.resize()
        wire.send_number(self._control, wire.SIGNAL, signals.SIGCONT)

    def _forward(self) -> None:
        while (waiting := process.read_signal(self._signals)) is not None:
            number = waiting[0]
            if number in (signals.SIGWINCH, signals.SIGCONT):
                if self._relay:
                    self._relay.enter()
                    self._relay.resize()
                continue
            self._asked_to_stop = number == signals.SIGTSTP
            self.asked_to_end = self.asked_to_end or number in ENDING
            try:
                wire.send_number(self._control, wire.SIGNAL, number)
            except OSError:  # it has just ended
                return
