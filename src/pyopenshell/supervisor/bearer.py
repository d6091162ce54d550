"""What forks a supervisor's own sandbox, and waits for its end, as a nursery does for a zygote (``zygote.nursery``)."""

from __future__ import annotations

import os

from pyopenshell.kernel import process, signals
from pyopenshell.launch import reap
from pyopenshell.zygote import nursery

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pyopenshell.zygote.loop import Loop


class Bearer:
    """One sandbox, forked at once. ``pid`` is init's or its stem's, or a negative errno; it waits for its plan.

    What this process writes to before it forks, the sandbox's processes have in memory as well.
    """

    def __init__(self, kind: bytes, flags: int, descriptors: list[int]) -> None:
        """Fork it. The descriptors are its ends of the control socket and the inbox, and closed here."""
        self._events = process.signal_fd((signals.SIGCHLD,))
        self.pid = nursery.bear(kind, flags, descriptors)
        for fd in descriptors:
            os.close(fd)

    def watch(self, loop: Loop, died: Callable[[int, list[int]], None]) -> None:
        """Tell its end: the wait status, and what could not be killed."""
        loop.watch(self._events, lambda: self._reap(died))

    def _reap(self, died: Callable[[int, list[int]], None]) -> None:
        while process.read_signal(self._events) is not None:
            pass
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self.pid:
                died(status, reap.sweep())
