"""The supervisor as what forks its own sandbox: what a nursery does for a zygote (``zygote.nursery``)."""

from __future__ import annotations

import os

from pyopenshell.kernel import process, signals
from pyopenshell.launch import reap
from pyopenshell.zygote.nursery import bear

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pyopenshell.zygote.birth import Birth
    from pyopenshell.zygote.loop import Loop


class Bearer:
    """Forks one sandbox, and waits for its end. What ``zygote.birth`` takes for its server."""

    def __init__(self, loop: Loop, joined: Callable[[int], None]) -> None:
        """Call ``joined`` with the pid before that is sent its plan."""
        self.loop = loop
        self.unbounded = not process.has_capability(process.CAP_SETPCAP)
        self._joined = joined
        self._events = process.signal_fd((signals.SIGCHLD,))
        self._birth: Birth | None = None
        self._pid = 0
        loop.watch(self._events, self._reap)

    def bear(self, birth: Birth, kind: bytes, flags: int, descriptors: list[int]) -> None:
        """Fork it. It waits for its plan, and its birth is told of it after this."""
        pid = bear(kind, flags, descriptors)
        self._birth, self._pid = birth, pid
        if pid > 0:
            try:
                self._joined(pid)
            except BaseException:
                os.kill(pid, signals.SIGKILL)
                raise
        self.loop.later(0, lambda: birth.born(pid))

    def _reap(self) -> None:
        while process.read_signal(self._events) is not None:
            pass
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._pid and self._birth:
                birth, self._birth = self._birth, None
                birth.died(status, reap.sweep())
