"""A sandbox made in advance: whoever asks for a second one like the last will probably ask for a third.

It is made like any other, up to the receipt; nothing has run in it, and it has neither name nor record. It is used only
where its plan still holds (``stamp``) and nothing was mounted since, and it does not wait long.
"""

from __future__ import annotations

import select
import time

from pyopenshell.errors import OpenShellError
from pyopenshell.zygote.birth import Birth

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from pyopenshell.launch.reports import Use
    from pyopenshell.zygote.birth import Proof
    from pyopenshell.zygote.keeper import Keeper
    from pyopenshell.zygote.server import Server
    from pyopenshell.zygote.warm import Warm

SOON = 1.0
"""Seconds after which a plan that is used again gets no spare sandbox, and after which one is given up."""


class Spare:
    """A sandbox that waits for its owner. Until it has one, it takes what is told of it."""

    def __init__(self, server: Server, warm: Warm) -> None:
        """Have it made. Raises OSError."""
        self.receipt: dict[str, Any] | None = None
        self.is_usable = True
        self._server = server
        self.birth = Birth(server, self, warm.planned.plan, warm.plain)

    def adopt(self, keeper: Keeper) -> Birth:
        """Give it to an owner, who takes what is told of it from now on."""
        self.birth.watcher = keeper
        return self.birth

    def end(self) -> None:
        """Give it up."""
        self.is_usable = False
        self.birth.end()

    def proved(self, proof: Proof) -> None:
        """Keep the receipt, or give it up."""
        try:
            self.receipt = proof.receipt(self.birth.plan)
        except OpenShellError:
            self.end()

    def launch_failed(self, _error: OpenShellError) -> None:
        """Give it up: who really asks for one is told why there is none."""
        self.end()

    def broke(self, _error: Exception) -> None:
        """Give it up."""
        self.end()

    def brokered(self, _use: Use) -> None:
        """Nothing has run in it."""

    def frame(self, _kind: bytes, _payload: bytes, _terminal: int) -> None:
        """Nothing has run in it."""

    def ended(self, _why: str, _survivors: Sequence[int] = ()) -> None:
        """Note that nothing of it is left."""
        self.is_usable = False
        self._server.spares.gone(self)


class Spares:
    """At most one for a plan, and those that are being ended."""

    def __init__(self, server: Server) -> None:
        """Have none."""
        self._server = server
        self._waiting: dict[Warm, Spare] = {}
        self._all: set[Spare] = set()
        self._mounts = open("/proc/self/mountinfo", "rb", buffering=0)  # noqa: SIM115 - for as long as we live
        self._poll = select.poll()
        self._poll.register(self._mounts, select.POLLPRI)

    def __len__(self) -> int:
        """How many are not gone."""
        return len(self._all)

    def take(self, warm: Warm) -> Spare | None:
        """Return one that may be used, for this plan, which holds."""
        if self._poll.poll(0):  # proc_pid_mounts(5): it has changed since it was asked last
            self.give_up()
        spare = self._waiting.pop(warm, None)
        if spare and spare.is_usable:
            self._all.discard(spare)
            return spare
        return None

    def used(self, warm: Warm) -> None:
        """Note that a plan was used, and prepare for the next time where it is used often."""
        now = time.monotonic()
        often, warm.used = now - warm.used < SOON, now
        if not often or not warm.is_lasting or warm in self._waiting:
            return
        try:
            spare = self._waiting[warm] = Spare(self._server, warm)
        except OSError:
            return
        self._all.add(spare)
        self._server.loop.later(SOON, lambda: self._expire(warm, spare))

    def give_up(self) -> None:
        """End all that wait."""
        while self._waiting:
            self._waiting.popitem()[1].end()

    def gone(self, spare: Spare) -> None:
        """Forget one of which nothing is left."""
        self._all.discard(spare)
        self._server.leave(None)

    def _expire(self, warm: Warm, spare: Spare) -> None:
        if self._waiting.get(warm) is spare:
            del self._waiting[warm]
            spare.end()
