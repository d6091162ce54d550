"""What the zygote waits for: descriptors, and what is to be done when one can be read or written."""

from __future__ import annotations

import select
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Loop:
    """One thread's epoll(7). A handler may be called once too often, and so must never wait."""

    def __init__(self) -> None:
        """Watch nothing yet."""
        self._poll = select.epoll()
        self._handlers: dict[int, Callable[[], None]] = {}
        self._later: list[tuple[float, Callable[[], None]]] = []
        self.stopped = False

    def watch(self, fd: int, handler: Callable[[], None]) -> None:
        """Call the handler whenever the descriptor can be read, or is at its end."""
        self._handlers[fd] = handler
        self._poll.register(fd, select.EPOLLIN)

    def want_room(self, fd: int, *, wanted: bool, reading: bool = True) -> None:
        """Call the handler also when the descriptor can be written, or not any more.

        Without ``reading`` it is not called for what can be read; for the other side's end it always is.
        """
        self._poll.modify(fd, (select.EPOLLIN if reading else 0) | (select.EPOLLOUT if wanted else 0))

    def forget(self, fd: int) -> None:
        """Stop watching, before the descriptor is closed."""
        if self._handlers.pop(fd, None):
            self._poll.unregister(fd)

    def watches(self, fd: int) -> bool:
        """Return whether a descriptor is watched."""
        return fd in self._handlers

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Do something once, after so many seconds."""
        self._later.append((time.monotonic() + seconds, action))
        self._later.sort(key=lambda entry: entry[0])

    def run(self) -> None:
        """Wait and call handlers until ``stopped`` is set."""
        while not self.stopped:
            timeout = max(0.0, self._later[0][0] - time.monotonic()) if self._later else -1
            ready = self._poll.poll(timeout)
            if self._later and self._later[0][0] <= time.monotonic():
                self._later.pop(0)[1]()
            for fd, _events in ready:
                handler = self._handlers.get(fd)
                if handler:
                    self._call(handler)

    def _call(self, handler: Callable[[], None]) -> None:
        """Call a handler. A defect in one sandbox's must not end the others'."""
        try:
            handler()
        except Exception as error:
            broke = getattr(getattr(handler, "__self__", None), "broke", None)
            if broke is None:
                raise
            broke(error)
