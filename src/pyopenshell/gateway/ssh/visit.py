"""One client's way into one sandbox, for as long as it is connected."""

from __future__ import annotations

import asyncio

from pyopenshell.errors import OpenShellError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from pyopenshell.gateway.ssh.link import Link
    from pyopenshell.supervisor.supervised import Supervised

MOST = 128
"""Connections into one sandbox at a time."""
PATIENCE = 20.0
"""Seconds that what a visit left behind in the sandbox may take to end."""


class Visit:
    """A connection: which sandbox it is for, what it started, and how it is ended from outside."""

    def __init__(self, sandbox_id: str, digest: str, supervised: Supervised, link: Link) -> None:
        """``digest`` is the token's."""
        self.sandbox_id, self.digest, self.supervised, self.link = sandbox_id, digest, supervised, link
        self.why: str | None = None
        """Why it was ended from outside."""
        self.close: Callable[[str], None] = lambda _reason: link.close()
        """What ends the connection and tells the client why."""
        self.channels = 0
        """Channels that are open: sessions and forwarded connections."""
        self._tasks: set[asyncio.Task[Any]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do something beside; whatever becomes of the connection, it is done to its end."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def end(self, reason: str) -> None:
        """End the connection, from outside."""
        if self.why is None:
            self.why = reason
            self.close(reason)

    async def finished(self) -> None:
        """Wait until what the connection started is over: its programs are told that the client went away."""
        if self._tasks:
            _, late = await asyncio.wait(set(self._tasks), timeout=PATIENCE)
            for task in late:
                task.cancel()


class Visits:
    """All connections of a gateway."""

    def __init__(self) -> None:
        """Start with none."""
        self._every: dict[Visit, Callable[[asyncio.Future[str | None]], None]] = {}

    def add(self, visit: Visit) -> None:
        """Count a connection, and end it with its sandbox. Raises OpenShellError where there are too many."""
        if sum(other.sandbox_id == visit.sandbox_id for other in self._every) >= MOST:
            raise OpenShellError(
                f"{MOST} connections lead into the sandbox already", hint="close some", code="limit.connections"
            )
        self._every[visit] = lambda _future: visit.end("the sandbox has ended")
        visit.supervised.gone.add_done_callback(self._every[visit])

    def remove(self, visit: Visit) -> None:
        """Count a connection no more."""
        callback = self._every.pop(visit, None)
        if callback is not None:
            visit.supervised.gone.remove_done_callback(callback)

    def end(self, reason: str) -> None:
        """End all connections."""
        for visit in list(self._every):
            visit.end(reason)

    def revoked(self, digest: str) -> None:
        """End all connections that a token opened."""
        for visit in [visit for visit in self._every if visit.digest == digest]:
            visit.end("the token was revoked")
