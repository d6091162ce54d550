"""What supervisors are forked from: a process of the gateway's that plans sandboxes, and ends with it.

Plans are made and used again as a zygote does (``zygote.planners``, ``zygote.warm``); but each sandbox gets a process
of its own, which does not end with this one.
"""

from __future__ import annotations

import _socket
import gc
import os
import resource

import pyopenshell.planning.own_folder  # noqa: F401 - what plans take, so that not each imports it
from pyopenshell.audit import context
from pyopenshell.kernel import process, signals
from pyopenshell.supervisor.cradle import Cradle
from pyopenshell.supervisor.wish import Wish
from pyopenshell.zygote import protocol as door
from pyopenshell.zygote.limits import Limits
from pyopenshell.zygote.loop import Loop
from pyopenshell.zygote.planners import Planners
from pyopenshell.zygote.warm import Warmed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

HOST = 60.0
"""Seconds for which the kernel and its namespaces are not tried again, unless a sandbox cannot be made."""


def main(owner: int, cradle: Cradle) -> None:
    """Serve the gateway with this pid until it has ended, or closed the door."""
    signals.expect_children()
    os.umask(0o022)
    os.chdir("/")
    process.close_fds((0, 1, 2, door.DOOR, cradle.fd))
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    try:
        template = Template(owner, cradle)
    except ProcessLookupError:  # the gateway has ended already
        return
    gc.collect()
    gc.freeze()  # what is there now is there for good
    template.loop.run()


class Template:
    """Plans sandboxes for a gateway, and forks their supervisors."""

    def __init__(self, owner: int, cradle: Cradle) -> None:
        """Watch the gateway, the door and the ends of children. ProcessLookupError: the gateway has ended."""
        self.loop = Loop()
        self.limits = Limits(owner)
        self.warmed = Warmed()
        self.planners = Planners(self, remembered=HOST)
        self.here = context.here("", "")
        self.unbounded = not process.has_capability(process.CAP_SETPCAP)
        self._cradle = cradle
        self.loop.watch(cradle.fd, self._cradled)
        self._door = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET, 0, door.DOOR)
        os.set_inheritable(door.DOOR, False)
        self._signals = process.signal_fd((signals.SIGCHLD,))
        self._owner_end = os.pidfd_open(owner)
        self.loop.watch(self._owner_end, self._end)
        self.loop.watch(door.DOOR, self._connect)
        self.loop.watch(self._signals, self._reap)

    def _connect(self) -> None:
        connections = door.come(self._door)
        if connections is None:
            self._end()
        for connection in connections or ():
            Wish(self, connection)

    def bear(self, told: dict[str, Any], descriptors: list[int]) -> None:
        """Have a supervisor forked."""
        self._cradle.bear(told, descriptors)
        self.loop.want_room(self._cradle.fd, wanted=self._cradle.waits)

    def _cradled(self) -> None:
        """Send what waits. That the cradle can be read means that it has ended, and there is no reason to go on."""
        self._cradle.flush()
        self.loop.want_room(self._cradle.fd, wanted=self._cradle.waits)
        if not self._cradle.is_alive:
            self._end()

    def _reap(self) -> None:
        while process.read_signal(self._signals) is not None:
            pass
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass

    def _end(self) -> None:
        self.loop.stopped = True
