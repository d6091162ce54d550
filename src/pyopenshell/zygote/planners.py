"""The planning that is under way: a few at once, and one for all that ask for the same."""

from __future__ import annotations

import time

from pyopenshell.errors import OpenShellError
from pyopenshell.zygote.planner import Planner
from pyopenshell.zygote.warm import Warm

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    from pyopenshell.devices.host import Host
    from pyopenshell.zygote.limits import Differing
    from pyopenshell.zygote.loop import Loop
    from pyopenshell.zygote.warm import Warmed

    class Wish(Protocol):
        """A sandbox that is to be planned: what was asked for, and who is told what came of it."""

        key: bytes
        asked: dict[str, Any]
        limits: Differing

        def plan(self) -> None:
            """Take a plan that holds, or ask for one."""

        def launch(self, warm: Warm) -> None:
            """Launch it."""

        def failed(self, error: OpenShellError) -> None:
            """Tell that there will be no sandbox."""

        def broke(self, error: Exception) -> None:
            """Tell that we have a defect."""

    class Server(Protocol):
        """Whose loop it is, and who keeps plans."""

        loop: Loop
        warmed: Warmed


MOST = 8
"""Children that plan at once."""


class Planners:
    """Has plans made. Who asks for what is being planned already waits for that."""

    def __init__(self, server: Server, remembered: float = 0.0) -> None:
        """Plan nothing yet. For so many seconds what is found out about the host is taken to be so still."""
        self._server = server
        self._remembered = remembered
        self._hosts: dict[int | None, tuple[float, Host]] = {}
        self._active: dict[Wish, Planner] = {}
        self._waiting: list[Wish] = []
        self._fleeting: set[bytes] = set()

    def ask(self, keeper: Wish) -> None:
        """Have a plan made for a sandbox, which is told. Raises OSError."""
        shared = keeper.key not in self._fleeting and any(other.key == keeper.key for other in self._active)
        if shared or len(self._active) >= MOST:
            self._waiting.append(keeper)
            return
        planner = self._active[keeper] = Planner(keeper.asked, self._host(keeper))
        self._server.loop.watch(planner.fd, lambda: self._come(keeper, planner))

    def _host(self, keeper: Wish) -> Host | None:
        until, host = self._hosts.get(keeper.asked["request"]["max_abi"], (0.0, None))
        return host if time.monotonic() < until else None

    def _remember(self, keeper: Wish, host: Host) -> None:
        """Keep what was found out, for the time that it was first for; a broker may have been tried since."""
        abi, now = keeper.asked["request"]["max_abi"], time.monotonic()
        until, _ = self._hosts.get(abi, (0.0, None))
        if self._remembered:
            self._hosts[abi] = (until if now < until else now + self._remembered), host

    def forget_hosts(self) -> None:
        """Find out about the host again: something was not as it was thought to be."""
        self._hosts.clear()

    def forget(self, keeper: Wish) -> None:
        """Plan no more for a sandbox, which is not wanted any more."""
        if keeper in self._waiting:
            self._waiting.remove(keeper)
        if keeper in self._active:
            self._done(keeper)

    def _come(self, keeper: Wish, planner: Planner) -> None:
        try:
            self._take(keeper, planner)
        except Exception as error:  # as for other handlers: a defect ends one sandbox, not all
            keeper.broke(error)

    def _take(self, keeper: Wish, planner: Planner) -> None:
        found = planner.take()
        if found is None:
            return
        if isinstance(found, OpenShellError):
            self._done(keeper)
            keeper.failed(found)
            return
        warm = Warm(*found, limits=keeper.limits)
        self._remember(keeper, warm.planned.host)
        self._server.warmed.keep(keeper.key, warm)
        if not warm.is_lasting:
            self._fleeting.add(keeper.key)
            if len(self._fleeting) > MOST:
                self._fleeting.pop()
        self._done(keeper)
        keeper.launch(warm)

    def _done(self, keeper: Wish) -> None:
        planner = self._active.pop(keeper)
        self._server.loop.forget(planner.fd)
        planner.close()
        waiting, self._waiting = self._waiting, []
        for other in waiting:
            other.plan()
