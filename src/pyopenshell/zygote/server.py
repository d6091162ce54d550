"""The zygote: one thread that takes sandboxes on, and waits for all of them. It ends with its owner."""

from __future__ import annotations

import _socket
import gc
import os
import resource
import time

from pyopenshell import runs
from pyopenshell.audit import context
from pyopenshell.kernel import process, signals
from pyopenshell.zygote import nursery, protocol
from pyopenshell.zygote.keeper import Keeper
from pyopenshell.zygote.limits import Limits
from pyopenshell.zygote.loop import Loop
from pyopenshell.zygote.planners import Planners
from pyopenshell.zygote.spare import Spares
from pyopenshell.zygote.warm import Warmed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pyopenshell.zygote.birth import Birth
    from pyopenshell.zygote.nursery import Nursery

IDLE = 3.0
"""Seconds without a launch after which runs that are over are pruned."""
PATIENCE = 10.0
"""Seconds for what is ended to be gone, when this process ends; the kernel ends the rest with it."""
MOST = 500
"""Sandboxes after which they are in any case: as many more than were asked for may be kept until then."""


def main(owner: int, born: Nursery) -> None:
    """Serve the process with this pid until it has ended, or closed the door, and nothing is left of its sandboxes."""
    signals.expect_children()
    os.umask(0o022)
    os.chdir("/")
    process.close_fds((0, 1, 2, protocol.DOOR, born.fd))
    limits = Limits(owner)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # a sandbox takes eight descriptors here
    gc.collect()
    gc.freeze()  # what is there now is there for good
    try:
        Server(owner, born, limits).loop.run()
    except ProcessLookupError:  # the owner has ended already
        pass


class Server:
    """All sandboxes of one owner, with its ``limits``."""

    def __init__(self, owner: int, born: Nursery, limits: Limits) -> None:
        """Watch the owner, the door and the ends of children. ProcessLookupError: the owner has ended."""
        self.owner = owner
        self.loop = Loop()
        self.limits = limits
        self.unbounded = not process.has_capability(process.CAP_SETPCAP)
        """Whether the nursery could not empty the capability bounding set of all that is born in it."""
        self.places = False
        self.warmed = Warmed()
        self.planners = Planners(self)
        self.keepers: set[Keeper] = set()
        self.spares = Spares(self)
        self._environ: dict[str, str] | None = None
        self._ending = False
        self._untidy = 0
        self._launched = 0.0
        self._here = context.here("", "")
        self._children: dict[int, Callable[[int], None]] = {}
        self._unborn: list[Birth] = []
        self._births: dict[int, Birth] = {}
        self._nursery = born
        self.loop.watch(self._nursery.fd, self._told)
        self._door = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET, 0, protocol.DOOR)
        os.set_inheritable(protocol.DOOR, False)
        self._signals = process.signal_fd((signals.SIGCHLD,))
        self._owner_end = os.pidfd_open(owner)
        self.loop.watch(self._owner_end, self._end)
        self.loop.watch(protocol.DOOR, self._connect)
        self.loop.watch(self._signals, self._reap)

    def surround(self, environ: dict[str, str]) -> None:
        """Take on an owner's environment: where its state is kept follows from that."""
        if environ != self._environ:
            os.environ.clear()
            os.environ.update(environ)
            self._environ = environ

    def context(self, name: str, run_id: str) -> context.Context:
        """Return the surroundings of a sandbox's events."""
        return self._here.replace(sandbox=name, run_id=run_id)

    def tidy_sometimes(self) -> None:
        """Have old runs removed, in a child, and when nothing is going on: it makes launches slow."""
        if not self._untidy:
            self.loop.later(IDLE, self._tidy_when_idle)
        self._untidy += 1
        self._launched = time.monotonic()
        if self._untidy >= MOST:
            self._tidy()

    def _tidy_when_idle(self) -> None:
        left = self._launched + IDLE - time.monotonic()
        if left > 0:
            self.loop.later(left, self._tidy_when_idle)
        else:
            self._tidy()

    def _tidy(self) -> None:
        self._untidy = 0
        try:
            pid = os.fork()
        except OSError:  # there is no room for a process now: the next time, then
            return
        if pid:
            self.expect(pid, lambda _status: None)
            return
        try:
            process.close_fds((0, 1, 2))
            runs.tidy()
        finally:
            os._exit(0)

    def bear(self, birth: Birth, kind: bytes, flags: int, descriptors: list[int]) -> None:
        """Have the nursery fork a sandbox, which is told its pid and its end. Raises OSError."""
        self._nursery.bear(kind, flags, descriptors)
        self._unborn.append(birth)
        if self._nursery.waits:
            self.loop.want_room(self._nursery.fd, wanted=True)

    def _told(self) -> None:
        """Take what the nursery tells; without it there are no sandboxes, and no reason to go on."""
        if self._nursery.waits:
            self._nursery.flush()
            self.loop.want_room(self._nursery.fd, wanted=self._nursery.waits)
        told, ended = self._nursery.take()
        for kind, value in told:
            birth = self._unborn.pop(0) if kind == nursery.BORN else self._births.pop(value[0])
            try:
                if kind == nursery.BORN and value > 0:
                    self._births[value] = birth
                if kind == nursery.BORN:
                    birth.born(value)
                else:
                    birth.died(*value[1:])
            except Exception as error:
                birth.broke(error)
        if ended:
            raise OSError(0, "the process that is forked for every sandbox has ended")

    def expect(self, pid: int, ended: Callable[[int], None]) -> None:
        """Have ``ended`` called with the wait status of this child."""
        self._children[pid] = ended

    def leave(self, keeper: Keeper | None) -> None:
        """Let go of a sandbox that has ended; None for one that was nobody's."""
        if keeper:
            self.keepers.discard(keeper)
        self.loop.stopped = self._ending and not self.keepers and not self.spares

    def _connect(self) -> None:
        connections = protocol.come(self._door)
        if connections is None:
            self._close_door()
        for connection in connections or ():
            self.keepers.add(Keeper(self, connection))

    def _reap(self) -> None:
        while process.read_signal(self._signals) is not None:
            pass
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            ended = self._children.pop(pid, None)
            if ended:
                ended(status)

    def _close_door(self) -> None:
        """Take no more sandboxes: the owner has given up rights. Those that there are stay until their own ends."""
        self._ending = True
        self.loop.forget(protocol.DOOR)
        self._door.close()
        self.spares.give_up()
        self.leave(None)

    def _end(self) -> None:
        """End everything: the owner has ended."""
        self.loop.forget(self._owner_end)
        self.loop.later(PATIENCE, self._give_up)
        self._close_door()
        for keeper in tuple(self.keepers):
            keeper.close()

    def _give_up(self) -> None:
        self.loop.stopped = True
