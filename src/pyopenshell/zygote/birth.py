"""How the processes of one sandbox come to be, seen from who plans: up to the word that the sandbox holds."""

from __future__ import annotations

import _socket
import marshal
import os

from pyopenshell.errors import LaunchError, OpenShellError
from pyopenshell.launch import checks, direct, wire
from pyopenshell.launch.hints import hint
from pyopenshell.launch.reports import Inbox
from pyopenshell.record import Record
from pyopenshell.zygote import kept, nursery

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    from pyopenshell.launch.plan import Plan
    from pyopenshell.zygote.loop import Loop

    class Bearer(Protocol):
        """Who has a sandbox forked, and tells its birth the pid (``born``) and the end (``died``).

        ``unbounded``: its children have a bounding set to empty. ``places``: they are put somewhere once they have a
        pid, and not sent their plan before.
        """

        loop: Loop
        unbounded: bool
        places: bool

        def bear(self, birth: Birth, kind: bytes, flags: int, descriptors: list[int]) -> None:
            """Have it forked. Raises OSError."""

    class Watcher(kept.Watcher, Protocol):
        """Who is told how it goes on."""

        def launch_failed(self, error: OpenShellError) -> None:
            """There will be no sandbox."""

        def proved(self, proof: Proof) -> None:
            """Take what says that it holds, to be looked at."""


LAUNCH = (wire.INIT_PID, wire.FAILURE, wire.ARRANGED, wire.RECEIPT)
"""What init tells before it is told to go. Each is ours alone until then."""


class Proof(Record):
    """What init told of itself, in one part or two (marshal), its pid and namespaces, its stem's pid, what serves."""

    told: bytes
    arranged: bytes | None
    init: int
    links: dict[str, int | None]
    stem: int
    served: dict[str, Any] | None
    unbounded: bool

    def receipt(self, plan: Plan) -> dict[str, Any]:
        """Return the receipt, held against what is seen here. Raises LaunchError."""
        told = marshal.loads(self.told)  # noqa: S302 - our own child, before any exec
        if self.arranged:
            arranged = marshal.loads(self.arranged)  # noqa: S302 - the same
            steps = sorted([*arranged["steps"], *told["steps"]], key=lambda step: step["n"])
            told = {**told, **arranged, "steps": steps}
        try:
            return checks.receipt(
                plan, told, self.init, self.links, stem=self.stem, served=self.served, unbounded=self.unbounded
            )
        except OSError as error:
            raise LaunchError(f"cannot start the sandbox: its init ended: {error}", step="receipt") from error


class Birth(kept.Kept):
    """Has init forked, with a stem where it takes one, and follows what they tell."""

    watcher: Watcher

    def __init__(self, server: Bearer, watcher: Watcher, plan: Plan, plain: bytes) -> None:
        """Ask the nursery for them. Raises OSError."""
        control, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
        inbox = Inbox() if plan.broker else None
        super().__init__(server.loop, watcher, control, inbox, apart=plan.namespaces["pid"])
        self.plan = plan
        self._unbounded = server.unbounded
        self._told: bytes | None = None
        self._arranged: bytes | None = None
        self._links: dict[str, int | None] = {}
        self._is_proved = False
        self._plain = plain
        kind = nursery.DIRECT if self._is_direct else nursery.STEM if self._apart else nursery.ORPHANING
        descriptors = [theirs.fileno(), *([inbox.sender.fileno()] if inbox else [])]
        try:
            server.bear(self, kind, direct.flags(plan.namespaces), descriptors)
        finally:
            theirs.close()
            if inbox:
                inbox.sender.close()
        if not server.places:
            self._send_plan()

    def _send_plan(self) -> None:
        if self._plain:
            self.send(wire.PLAN, self._plain)
            self._plain = b""

    def born(self, pid: int) -> None:
        """Take the pid that the nursery gave it; a negative number is the errno of a fork that failed."""
        if pid < 0:
            self.close()
            self.watcher.ended(f"fork: {os.strerror(-pid)}")
            return
        self._send_plan()
        self.pid = pid
        self.follow()  # what it tells is about this pid, and not heard before that is known
        if self._is_ending:
            self._kill()

    def _look(self, pid: int) -> None:
        """Look at init before it changes its uid, which hides its namespaces from a root without CAP_SYS_PTRACE."""
        self.know(pid)
        self._links = checks.links(pid)
        self.send(wire.SEEN)

    def _take(self, kind: bytes, payload: bytes, descriptors: list[int]) -> None:
        if kind not in LAUNCH:
            super()._take(kind, payload, descriptors)
        elif not self._is_proved:  # later there are programs beside init, and nothing of this is its word
            self._launching(kind, payload)

    def _launching(self, kind: bytes, payload: bytes) -> None:
        if kind == wire.INIT_PID:
            self._look(self.pid if self._is_direct else wire.number(payload))
        elif kind == wire.FAILURE:
            self._failure(marshal.loads(payload))  # noqa: S302 - our own child, before any exec
        elif kind == wire.ARRANGED:
            self._arranged = payload
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
        super()._reported()
        if self.inbox and self.inbox.serving:
            self._check()

    def _check(self) -> None:
        """Hold the receipt against what is seen here, once init has told and the broker has its listener."""
        if self._told is None or (self.inbox and not self.inbox.serving):
            return
        told, self._told = self._told, None
        served: dict[str, Any] | None = None
        if self.plan.brokered:
            served = {"grants": list(self.plan.brokered), "own": self.plan.broker}
            if self.inbox and self.inbox.serving:
                served |= {"pid": self.pid, **self.inbox.serving.as_dict()}
        self.watcher.proved(Proof(told, self._arranged, self.init_pid, self._links, self.pid, served, self._unbounded))
