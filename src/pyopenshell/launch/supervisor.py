"""The parent's side of a launch: fork, check the receipt, say go, relay, and tell how it ended."""

from __future__ import annotations

import _socket
import marshal
import os
import select

from pyopenshell.errors import LaunchError
from pyopenshell.kernel import process, signals
from pyopenshell.launch import checks, reap, stem, terminal, wire
from pyopenshell.launch.ending import Exit, unheard
from pyopenshell.launch.endpoint import Endpoint
from pyopenshell.launch.following import ENDING, FORWARDED, Following
from pyopenshell.launch.hints import hint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pyopenshell.launch.plan import Plan
    from pyopenshell.launch.reports import Inbox, Use


class Launch:
    """One launch under way. Call ``receipt``, then ``go``, then ``wait``; ``abort`` at any time before ``go``."""

    def __init__(self, plan: Plan) -> None:
        """Fork the child. Signals to be forwarded are blocked from here on and read from a descriptor."""
        self.plan = plan
        self.relay: terminal.Relay | None = None
        self.endpoint: Endpoint | None = None
        self._spare = frozenset(reap.children()) if not plan.namespaces["pid"] else frozenset[int]()
        if not plan.namespaces["pid"]:
            process.set_child_subreaper()
        signals.expect_children()
        self._mask = signals.pthread_sigmask(signals.SIG_BLOCK, ())
        self._signals = process.signal_fd((*FORWARDED, signals.SIGWINCH, signals.SIGCONT))
        ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
        self._socket = ours
        self.control = ours.fileno()
        plain = plan.as_plain()
        self.reports = _inbox() if plan.broker else None
        self.stem = os.fork()
        if self.stem == 0:
            stem.start(plain, theirs.fileno(), self.reports.sender.fileno() if self.reports else None)
        self._stem_end = os.pidfd_open(self.stem)
        if self.reports:
            self.reports.sender.close()
        theirs.close()
        self.init_pid = 0
        self._links: dict[str, int | None] = {}

    def receipt(self) -> dict[str, Any]:
        """Wait for the child's receipt and add what the supervisor sees for itself (docs/design.md, section 7).

        Raises LaunchError when a step failed, the child died, or a check does not hold; ``abort`` it then.
        """
        told = self._until_receipt()
        broker = self._broker()
        return checks.receipt(self.plan, told, self.init_pid, self._links, stem=self.stem, served=broker)

    def _broker(self) -> dict[str, Any] | None:
        """Return the receipt's part about the broker, once that has its listener: until then nothing may start."""
        if not self.plan.brokered:
            return None
        told: dict[str, Any] = {"grants": list(self.plan.brokered), "own": self.plan.broker}
        if not self.reports:
            return told
        return {**told, "pid": self.stem, **self.reports.begin().as_dict()}

    def probe(self, attempts: list[tuple[Any, ...]]) -> list[int]:
        """Try these inside, before the program starts (``launch.probe``). Fewer answers: the probe ended early.

        Raises OSError, and LaunchError when a signal asks for the end.
        """
        from pyopenshell.launch import probing

        return probing.before_start(self._socket, attempts, self._signals, self._hear)

    def open_door(self, folder: int) -> None:
        """Let clients ask for something while the program runs; ``folder`` is the run's record.

        Where its file system has no FIFOs there is no door, and a client is told so.
        """
        try:
            self.endpoint = Endpoint(folder, lambda fd: wire.send_descriptor(self._socket, wire.PROBE, fd))
        except OSError:
            pass

    def go(self) -> None:
        """Let the program start. Only after the receipt was written."""
        wire.send(self.control, wire.GO)

    def abort(self) -> None:
        """End a launch that did not come to its program, whatever it may be waiting for."""
        self._socket.close()
        try:
            os.kill(self.init_pid or self.stem, signals.SIGKILL)
        except ProcessLookupError:  # init has ended, and the stem has reaped it
            pass
        os.waitpid(self.stem, 0)
        self._release()

    def _release(self) -> None:
        """Give the caller back what was taken: descriptors, and the signals that were read from one of them."""
        while process.read_signal(self._signals) is not None:
            pass
        os.close(self._signals)
        os.close(self._stem_end)
        if self.reports:
            self.reports.close()
        if self.relay:
            self.relay.close()
        signals.pthread_sigmask(signals.SIG_SETMASK, self._mask)

    def wait(self, told: Callable[[Use], None]) -> Exit:
        """Relay until the program ends and everything in its sandbox with it. ``told`` gets the broker's reports."""
        following = Following(
            self.control,
            self._signals,
            self._stem_end,
            relay=self.relay,
            reports=self.reports,
            endpoint=self.endpoint,
            told=told,
        )
        if self.relay:
            self.relay.enter()
        try:
            end = following.run()
        finally:
            if self.endpoint:
                self.endpoint.close()
            self._socket.close()  # init and stem end when this closes, whatever else happens
            os.kill(self.stem, signals.SIGCONT)  # also a stem that somebody stopped
            code = os.waitstatus_to_exitcode(os.waitpid(self.stem, 0)[1])
            if self.reports:
                for use in self.reports.take():
                    told(use)
            orphaned = not self.plan.namespaces["pid"] and (code < 0 or code == reap.SURVIVORS)
            survivors = tuple(reap.sweep(self._spare)) if orphaned else ()  # while no signal can end us half-way
            if self.relay:
                self.relay.finish(self._signals, patient=not following.asked_to_end)
                self.relay.leave()
            self._release()
        if end is None:
            end = unheard(code, self.stem, broker=self.plan.broker)
        return end.replace(survivors=survivors, broker=self.reports and self.reports.counts)

    def _until_receipt(self) -> dict[str, Any]:
        while True:
            kind, payload = self._frame()
            if kind == wire.INIT_PID:
                self.init_pid = wire.number(payload)
                # Now: a process that has changed its uid hides its links from a root without CAP_SYS_PTRACE.
                self._links = checks.links(self.init_pid)
                wire.send(self.control, wire.SEEN)
            elif kind == wire.FAILURE:
                told = marshal.loads(payload)  # noqa: S302 - our own child, before any exec
                step = told["step"]
                raise LaunchError(
                    f"cannot start the sandbox: step '{step}': {told['message']}",
                    step=step,
                    errno=told["errno"],
                    hint=hint(step, told["errno"], self.plan),
                )
            elif kind == wire.RECEIPT:
                receipt: dict[str, Any] = marshal.loads(payload)  # noqa: S302 - our own child, before any exec
                return receipt

    def _frame(self) -> tuple[bytes, bytes]:
        """Read one frame of the child, with the terminal's descriptor if it carries one.

        A step can wait for ever (a dead network file system): signals are heard all the same.
        """
        while not select.select([self.control], [], [], 0)[0]:
            select.select([self.control, self._signals], [], [])
            self._hear()
        frame = wire.receive_descriptor(self._socket)
        if frame is None:
            raise LaunchError(
                "cannot start the sandbox: the child process ended without a word",
                step="unknown",
                hint="it was killed, perhaps for memory; see the kernel's log",
            )
        kind, payload, fd = frame
        if fd >= 0:
            self.relay = terminal.Relay(fd)
        return kind, payload

    def _hear(self) -> None:
        """Take a signal before there is a program. Raises LaunchError for those that ask for the end."""
        told = process.read_signal(self._signals)
        if told and told[0] in ENDING:
            raise LaunchError(f"the launch was interrupted by {signals.name(told[0])}", step="unknown")


def _inbox() -> Inbox:
    """Return where the broker reports to. What becomes a broker imports nothing itself: all of it is here then."""
    import pyopenshell.launch.brokering  # noqa: F401
    from pyopenshell.launch.reports import Inbox

    return Inbox()
