"""The processes of one sandbox, seen by who forked them: init, and its stem where it has one. They are told, and ended.

How they come to be is ``zygote.birth``'s part.
"""

from __future__ import annotations

import os

from pyopenshell.kernel import signals
from pyopenshell.launch import ending, frames, sessions_end, wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from collections.abc import Sequence
    from typing import Protocol

    from pyopenshell.launch.reports import Counts, Inbox, Use
    from pyopenshell.zygote.loop import Loop

    class Watcher(Protocol):
        """Who is told how it goes on."""

        def brokered(self, use: Use) -> None:
            """Its broker reports."""

        def frame(self, kind: bytes, payload: bytes, terminal: int) -> None:
            """Init tells something, with a descriptor or -1."""

        def ended(self, why: str, survivors: Sequence[int] = ()) -> None:
            """Nothing is left of it."""

        def broke(self, error: Exception) -> None:
            """We have a defect."""


class Kept:
    """Init, by its control socket, and the broker, by the inbox that it reports to.

    ``apart``: they have a pid namespace of their own, which ends with init.
    """

    def __init__(
        self, loop: Loop, watcher: Watcher, control: _socket.socket, inbox: Inbox | None, *, apart: bool
    ) -> None:
        """Take over control socket and inbox. Nothing is heard before ``follow``."""
        self.control = control
        self.inbox = inbox
        self.init_pid = 0
        self.pid = 0
        self.counts: Counts | None = None
        self.watcher = watcher
        self._loop = loop
        self._apart = apart
        self._is_direct = apart and inbox is None
        self._init: int | None = None
        self._terminal = -1
        self._is_ending = False
        self._reader = frames.Reader(control)
        self._outbox = frames.Outbox(control)

    def send(self, kind: bytes, payload: bytes = b"", descriptors: Sequence[int] = ()) -> None:
        """Tell init or its stem."""
        if self.control.fileno() >= 0:
            self._outbox.send(kind, payload, descriptors)
            if self._outbox.waits and self.pid:
                self._loop.want_room(self.control.fileno(), wanted=True)

    def follow(self) -> None:
        """Hear what they tell."""
        self._loop.watch(self.control.fileno(), self._heard)
        self._loop.want_room(self.control.fileno(), wanted=self._outbox.waits)
        if self.inbox:
            self._loop.watch(self.inbox.fd, self._reported)

    def know(self, init: int) -> None:
        """Take init's pid while that waits, and so is the one."""
        self.init_pid = init
        if not self._is_direct:
            self._init = os.pidfd_open(init)

    def end(self) -> None:
        """Have everything end. It has when the keeper is told."""
        if not self._is_ending:
            self._is_ending = True
            if self.pid:
                self._kill()

    def _kill(self) -> None:
        """Kill what the rest ends with. It may have ended, and who reaps it be about to tell so."""
        try:
            if self._is_direct:
                os.kill(self.pid, signals.SIGKILL)  # the first process of its pid namespace: all go with it
                return
            os.kill(self.pid, signals.SIGCONT)  # also a stem that somebody stopped
        except ProcessLookupError:
            pass
        if self._init is not None and self._apart:
            try:
                signals.pidfd_send_signal(self._init, signals.SIGKILL)
            except ProcessLookupError:
                pass
        self._close_control()  # init ends when this closes

    def _heard(self) -> None:
        for kind, payload, descriptors in self._reader.take():
            self._take(kind, payload, descriptors)
            for fd in descriptors:
                os.close(fd)
        if self._reader.ended:
            self._close_control()
            return
        if self._outbox.waits:
            self._outbox.flush()
            self._loop.want_room(self.control.fileno(), wanted=self._outbox.waits)

    def _take(self, kind: bytes, payload: bytes, descriptors: list[int]) -> None:
        if kind == wire.TERMINAL and descriptors:
            self._drop_terminal()
            self._terminal = descriptors.pop()
        elif len(payload) == 8:
            self.watcher.frame(kind, payload, self._terminal)
            self._drop_terminal()

    def _reported(self) -> None:
        if not self.inbox:
            return
        for use in self.inbox.take():
            self.watcher.brokered(use)
        self.counts = self.inbox.counts
        if self.inbox.ended:
            self._loop.forget(self.inbox.fd)

    def died(self, status: int, survivors: list[int]) -> None:
        """Take the end of the stem, or of init where there is none, from who reaps."""
        if self.control.fileno() >= 0:
            self._heard()  # it may have said something before
        if self.inbox:
            self._reported()
        self.close()
        self.watcher.ended(self._why(os.waitstatus_to_exitcode(status)), survivors)

    def broke(self, error: Exception) -> None:
        """End this sandbox: we have a defect."""
        self.watcher.broke(error)

    def _why(self, code: int) -> str:
        if code == sessions_end.OUTRUN:
            return "a program in it made new processes faster than they could be killed"
        if self._is_direct and code < 0:
            return f"the sandbox's first process was killed by {signals.name(-code)}"
        return ending.unheard(code, self.pid, broker=self.inbox is not None).lost or ""

    def close(self) -> None:
        """Close all that leads to them. Where nobody else has it, init ends."""
        self._close_control()
        if self.inbox:
            self._loop.forget(self.inbox.fd)
            self.inbox.close()
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
