"""What the zygote waits for: descriptors, and what is to be done when one can be read or written."""

from __future__ import annotations

import select

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Loop:
    """One thread's epoll(7). A handler may be called once too often, and so must never wait."""

    def __init__(self) -> None:
        """Watch nothing yet."""
        self._poll = select.epoll()
        self._handlers: dict[int, Callable[[], None]] = {}
        self.stopped = False

    def watch(self, fd: int, handler: Callable[[], None]) -> None:
        """Call the handler whenever the descriptor can be read, or is at its end."""
        self._handlers[fd] = handler
        self._poll.register(fd, select.EPOLLIN)

    def want_room(self, fd: int, *, wanted: bool) -> None:
        """Call the handler also when the descriptor can be written, or not any more."""
        self._poll.modify(fd, select.EPOLLIN | (select.EPOLLOUT if wanted else 0))

    def forget(self, fd: int) -> None:
        """Stop watching, before the descriptor is closed."""
        if self._handlers.pop(fd, None):
            self._poll.unregister(fd)

    def run(self) -> None:
        """Wait and call handlers until ``stopped`` is set."""
        while not self.stopped:
            for fd, _events in self._poll.poll():
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
