"""The parent's side of a launch: fork, check the receipt, say go, relay, and tell how it ended."""

from __future__ import annotations

import _socket
import marshal
import os
import select

from pyopenshell.errors import LaunchError
from pyopenshell.kernel import process, signals
from pyopenshell.launch import checks, reap, reports, stem, terminal, wire
from pyopenshell.launch.ending import Exit, unheard
from pyopenshell.launch.endpoint import Endpoint
from pyopenshell.launch.hints import hint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pyopenshell.launch.plan import Plan

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
        plan_fd = os.memfd_create("plan", os.MFD_CLOEXEC)
        os.write(plan_fd, marshal.dumps(plan.as_plain()))
        os.lseek(plan_fd, 0, os.SEEK_SET)
        self.reports = reports.Inbox() if plan.broker else None
        self.stem = os.fork()
        if self.stem == 0:
            stem.start(theirs.fileno(), plan_fd, self.reports.sender.fileno() if self.reports else None)
        self._stem_end = os.pidfd_open(self.stem)
        if self.reports:
            self.reports.sender.close()
        theirs.close()
        os.close(plan_fd)
        self.init_pid = 0
        self._asked_to_stop = self._asked_to_end = False
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

        Where its file system has no sockets there is no door, and a client is told so.
        """
        try:
            self.endpoint = Endpoint(folder, self._socket)
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

    def wait(self, told: Callable[[reports.Use], None]) -> Exit:
        """Relay until the program ends and everything in its sandbox with it. ``told`` gets the broker's reports."""
        if self.relay:
            self.relay.enter()
        try:
            end = self._follow(told)
        finally:
            if self.endpoint:
                self.endpoint.close()
            self._socket.close()  # init and stem end when this closes, whatever else happens
            code = os.waitstatus_to_exitcode(os.waitpid(self.stem, 0)[1])
            if self.reports:
                for use in self.reports.take():
                    told(use)
            orphaned = not self.plan.namespaces["pid"] and (code < 0 or code == reap.SURVIVORS)
            survivors = tuple(reap.sweep(self._spare)) if orphaned else ()  # while no signal can end us half-way
            if self.relay:
                self.relay.finish(self._signals, patient=not self._asked_to_end)
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
        head, ancillary, _, _ = self._socket.recvmsg(5, _socket.CMSG_SPACE(4), _socket.MSG_WAITALL)
        for _level, _type, data in ancillary:
            self.relay = terminal.Relay(int.from_bytes(data[:4], "little"))
        if len(head) == 5:
            length = int.from_bytes(head[1:], "little")
            payload = wire.read(self.control, length)
            if payload is not None:
                return head[:1], payload
        raise LaunchError(
            "cannot start the sandbox: the child process ended without a word",
            step="unknown",
            hint="it was killed, perhaps for memory; see the kernel's log",
        )

    def _hear(self) -> None:
        """Take a signal before there is a program. Raises LaunchError for those that ask for the end."""
        told = process.read_signal(self._signals)
        if told and told[0] in ENDING:
            raise LaunchError(f"the launch was interrupted by {signals.name(told[0])}", step="unknown")

    def _follow(self, told: Callable[[reports.Use], None]) -> Exit | None:
        """Serve the control socket, signals and the terminal. None: the sandbox ended without telling how."""
        while True:
            ready = self._poll()
            if self._signals in ready:
                self._forward()
            if self.relay:
                self._relay(self.relay, ready)
            if self.reports and self.reports.fd in ready:
                for use in self.reports.take():
                    told(use)
            if self.endpoint:
                self.endpoint.serve(ready)
            if self.control in ready:
                frame = wire.receive(self.control)
                if frame is None:
                    return None
                end = self._told(*frame)
                if end:
                    return end
            elif self._stem_end in ready and not select.select([self.control], [], [], 0)[0]:
                return None  # killed from outside; without a pid namespace init would go on without it

    def _relay(self, relay: terminal.Relay, ready: set[int]) -> None:
        if relay.source in ready:
            relay.from_caller()
        relay.flush()
        relay.print()
        if relay.master in ready and not relay.unprinted:
            relay.from_sandbox()

    def _poll(self) -> set[int]:
        poll = select.poll()
        poll.register(self.control, select.POLLIN)
        poll.register(self._signals, select.POLLIN)
        poll.register(self._stem_end, select.POLLIN)
        if self.reports and self.reports.fd >= 0:
            poll.register(self.reports.fd, select.POLLIN)
        if self.endpoint:
            self.endpoint.register(poll, select.POLLIN)
        if self.relay and not self.relay.closed:
            unprinted = bool(self.relay.unprinted)
            poll.register(
                self.relay.master,
                (0 if unprinted else select.POLLIN) | (select.POLLOUT if self.relay.waiting else 0),
            )
            if unprinted:
                poll.register(self.relay.output, select.POLLOUT)
            if self.relay.source is not None and self.relay.wants_input:
                poll.register(self.relay.source, select.POLLIN)
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
        if not self.relay and not self._asked_to_stop:
            return
        self._asked_to_stop = False
        if self.relay:
            self.relay.leave()
        signals.pthread_sigmask(signals.SIG_UNBLOCK, (signals.SIGTSTP,))
        os.kill(os.getpid(), signals.SIGTSTP)
        signals.pthread_sigmask(signals.SIG_BLOCK, (signals.SIGTSTP,))
        if self.relay:
            self.relay.enter()
            self.relay.resize()
        wire.send_number(self.control, wire.SIGNAL, signals.SIGCONT)

    def _forward(self) -> None:
        while (waiting := process.read_signal(self._signals)) is not None:
            number = waiting[0]
            if number in (signals.SIGWINCH, signals.SIGCONT):
                if self.relay:
                    self.relay.enter()
                    self.relay.resize()
                continue
            self._asked_to_stop = number == signals.SIGTSTP
            self._asked_to_end = self._asked_to_end or number in ENDING
            try:
                wire.send_number(self.control, wire.SIGNAL, number)
            except OSError:  # it has just ended
                return
