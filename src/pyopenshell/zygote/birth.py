"""The processes of one sandbox, from their birth to their end, seen from the zygote."""

from __future__ import annotations

import _socket
import marshal
import os

from pyopenshell.errors import LaunchError, OpenShellError
from pyopenshell.kernel import signals
from pyopenshell.launch import checks, direct, ending, frames, sessions_end, wire
from pyopenshell.launch.hints import hint
from pyopenshell.launch.reports import Inbox
from pyopenshell.record import Record
from pyopenshell.zygote import nursery

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Protocol

    from pyopenshell.launch.plan import Plan
    from pyopenshell.launch.reports import Counts, Use
    from pyopenshell.zygote.loop import Loop

    class Bearer(Protocol):
        """Who has a sandbox forked, and tells its birth the pid (``born``) and the end (``died``)."""

        loop: Loop
        unbounded: bool

        def bear(self, birth: Birth, kind: bytes, flags: int, descriptors: list[int]) -> None:
            """Have it forked. Raises OSError."""

    class Watcher(Protocol):
        """Who is told how it goes on."""

        def launch_failed(self, error: OpenShellError) -> None:
            """There will be no sandbox."""

        def proved(self, proof: Proof) -> None:
            """Take what says that it holds, to be looked at."""

        def brokered(self, use: Use) -> None:
            """Its broker reports."""

        def frame(self, kind: bytes, payload: bytes, terminal: int) -> None:
            """Init tells something, with a descriptor or -1."""

        def ended(self, why: str, survivors: Sequence[int] = ()) -> None:
            """Nothing is left of it."""

        def broke(self, error: Exception) -> None:
            """We have a defect."""


LAUNCH = (wire.INIT_PID, wire.FAILURE, wire.RECEIPT)
"""What init tells before it is told to go. Each is ours alone until then."""


class Proof(Record):
    """What init told of itself (marshal), its pid and namespaces, its stem's pid, and what is served to it."""

    told: bytes
    init: int
    links: dict[str, int | None]
    stem: int
    served: dict[str, Any] | None
    unbounded: bool

    def receipt(self, plan: Plan) -> dict[str, Any]:
        """Return the receipt, held against what is seen here. Raises LaunchError."""
        told = marshal.loads(self.told)  # noqa: S302 - our own child, before any exec
        try:
            return checks.receipt(
                plan, told, self.init, self.links, stem=self.stem, served=self.served, unbounded=self.unbounded
            )
        except OSError as error:
            raise LaunchError(f"cannot start the sandbox: its init ended: {error}", step="receipt") from error


class Birth:
    """Has init forked, with a stem where it takes one, and follows what they tell."""

    def __init__(self, server: Bearer, watcher: Watcher, plan: Plan, plain: bytes) -> None:
        """Ask the nursery for them. Raises OSError."""
        self.plan = plan
        self.init_pid = 0
        self.counts: Counts | None = None
        self.watcher = watcher
        self._loop = server.loop
        self._unbounded = server.unbounded
        self._told: bytes | None = None
        self._links: dict[str, int | None] = {}
        self._init: int | None = None
        self._terminal = -1
        self._is_proved = False
        self._is_ending = False
        self.control, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
        self._reader = frames.Reader(self.control)
        self._outbox = frames.Outbox(self.control)
        self._inbox = Inbox() if plan.broker else None
        self._is_direct = direct.suits(plan.namespaces, broker=plan.broker)
        self._pid = 0
        kind = nursery.DIRECT if self._is_direct else nursery.STEM if plan.namespaces["pid"] else nursery.ORPHANING
        descriptors = [theirs.fileno(), *([self._inbox.sender.fileno()] if self._inbox else [])]
        try:
            server.bear(self, kind, direct.flags(plan.namespaces), descriptors)
        finally:
            theirs.close()
            if self._inbox:
                self._inbox.sender.close()
        self._outbox.send(wire.PLAN, plain)

    def send(self, kind: bytes, payload: bytes = b"", descriptors: Sequence[int] = ()) -> None:
        """Tell init or its stem."""
        if self.control.fileno() >= 0:
            self._outbox.send(kind, payload, descriptors)
            if self._outbox.waits and self._pid:
                self._loop.want_room(self.control.fileno(), wanted=True)

    def born(self, pid: int) -> None:
        """Take the pid that the nursery gave it; a negative number is the errno of a fork that failed."""
        if pid < 0:
            self._close()
            self.watcher.ended(f"fork: {os.strerror(-pid)}")
            return
        self._pid = pid
        # What it tells is about this pid, and not heard before that is known.
        self._loop.watch(self.control.fileno(), self._heard)
        self._loop.want_room(self.control.fileno(), wanted=self._outbox.waits)
        if self._inbox:
            self._loop.watch(self._inbox.fd, self._reported)
        if self._is_ending:
            self._kill()

    def end(self) -> None:
        """Have everything end. It has when the keeper is told."""
        if not self._is_ending:
            self._is_ending = True
            if self._pid:
                self._kill()

    def _kill(self) -> None:
        """Kill what the rest ends with. It may have ended, and the nursery be about to tell so."""
        try:
            if self._is_direct:
                os.kill(self._pid, signals.SIGKILL)  # the first process of its pid namespace: all go with it
                return
            os.kill(self._pid, signals.SIGCONT)  # also a stem that somebody stopped
        except ProcessLookupError:
            pass
        if self._init is not None and self.plan.namespaces["pid"]:
            try:
                signals.pidfd_send_signal(self._init, signals.SIGKILL)
            except ProcessLookupError:
                pass
        self._close_control()  # init ends when this closes

    def _look(self, pid: int) -> None:
        """Look at init before it changes its uid, which hides its namespaces from a root without CAP_SYS_PTRACE."""
        self.init_pid = pid
        if not self._is_direct:
            self._init = os.pidfd_open(pid)  # it waits, and so it is the one
        self._links = checks.links(pid)
        self.send(wire.SEEN)

    def _heard(self) -> None:
        for kind, payload, descriptors in self._reader.take():
            if kind in LAUNCH:
                if not self._is_proved:  # later there are programs beside init, and nothing of this is its word
                    self._launching(kind, payload)
            elif kind == wire.TERMINAL and descriptors:
                self._drop_terminal()
                self._terminal = descriptors.pop()
            elif len(payload) == 8:
                self.watcher.frame(kind, payload, self._terminal)
                self._drop_terminal()
            for fd in descriptors:
                os.close(fd)
        if self._reader.ended:
            self._close_control()
            return
        if self._outbox.waits:
            self._outbox.flush()
            self._loop.want_room(self.control.fileno(), wanted=self._outbox.waits)

    def _launching(self, kind: bytes, payload: bytes) -> None:
        if kind == wire.INIT_PID:
            self._look(self._pid if self._is_direct else wire.number(payload))
        elif kind == wire.FAILURE:
            self._failure(marshal.loads(payload))  # noqa: S302 - our own child, before any exec
        else:
            self._is_proved = True
            self._told = payload
            self._check()

    def _failure(self, told: dict[str, Any]) -> None:
        step = told["step"]
        self.watcher.launch_failed(
            LaunchError(
                f"cannot start the sandbox: step '{step}': {told['message']}",
                step=step,
                errno=told["errno"],
                hint=hint(step, told["errno"], self.plan),
            )
        )

    def _reported(self) -> None:
        if not self._inbox:
            return
        for use in self._inbox.take():
            self.watcher.brokered(use)
        self.counts = self._inbox.counts
        if self._inbox.ended:
            self._loop.forget(self._inbox.fd)
        if self._inbox.serving:
            self._check()

    def _check(self) -> None:
        """Hold the receipt against what is seen here, once init has told and the broker has its listener."""
        if self._told is None or (self._inbox and not self._inbox.serving):
            return
        told, self._told = self._told, None
        served: dict[str, Any] | None = None
        if self.plan.brokered:
            served = {"grants": list(self.plan.brokered), "own": self.plan.broker}
            if self._inbox and self._inbox.serving:
                served |= {"pid": self._pid, **self._inbox.serving.as_dict()}
        self.watcher.proved(Proof(told, self.init_pid, self._links, self._pid, served, self._unbounded))

    def died(self, status: int, survivors: list[int]) -> None:
        """Take the end of the stem, or of init where there is none, from the nursery."""
        if self.control.fileno() >= 0:
            self._heard()  # it may have said something before
        if self._inbox:
            self._reported()
        self._close()
        self.watcher.ended(self._why(os.waitstatus_to_exitcode(status)), survivors)

    def broke(self, error: Exception) -> None:
        """End this sandbox: we have a defect."""
        self.watcher.broke(error)

    def _why(self, code: int) -> str:
        if code == sessions_end.OUTRUN:
            return "a program in it made new processes faster than they could be killed"
        if self._is_direct and code < 0:
            return f"the sandbox's first process was killed by {signals.name(-code)}"
        return ending.unheard(code, self._pid, broker=self.plan.broker).lost or ""

    def _close(self) -> None:
        self._close_control()
        if self._inbox:
            self._loop.forget(self._inbox.fd)
            self._inbox.close()
        if self._init is not None:
            os.close(self._init)
            self._init = None

    def _close_control(self) -> None:
        self._drop_terminal()
        if self.control.fileno() >= 0:
            self._loop.forget(self.control.fileno())
            self._outbox.close()
            self._reader.close()
            self.control.close()

    def _drop_terminal(self) -> None:
        if self._terminal >= 0:
            os.close(self._terminal)
            self._terminal = -1
