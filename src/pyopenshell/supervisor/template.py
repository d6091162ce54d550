"""What supervisors are forked from: a process of the gateway's that plans sandboxes, and ends with it.

Plans are made and used again as a zygote does (``zygote.planners``, ``zygote.warm``); but each sandbox gets a process
of its own, which does not end with this one.
"""

from __future__ import annotations

import _socket
import gc
import marshal
import os
import resource

from pyopenshell.audit import context
from pyopenshell.errors import OpenShellError
from pyopenshell.kernel import process, signals
from pyopenshell.launch import frames
from pyopenshell.supervisor import protocol
from pyopenshell.supervisor.keeper import Keeper
from pyopenshell.zygote import failure
from pyopenshell.zygote import protocol as door
from pyopenshell.zygote.limits import Limits
from pyopenshell.zygote.loop import Loop
from pyopenshell.zygote.planners import Planners
from pyopenshell.zygote.warm import Warmed, key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from pyopenshell.zygote.limits import Differing
    from pyopenshell.zygote.warm import Warm

_ASKED = ("request", "policy", "environ", "cwd")
"""What a plan follows from."""


def main(owner: int) -> None:
    """Serve the gateway with this pid until it has ended, or closed the door."""
    signals.expect_children()
    os.umask(0o022)
    os.chdir("/")
    process.close_fds((0, 1, 2, door.DOOR))
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    try:
        template = Template(owner)
    except ProcessLookupError:  # the gateway has ended already
        return
    gc.collect()
    gc.freeze()  # what is there now is there for good
    gc.disable()
    template.loop.run()


class Template:
    """Plans sandboxes for a gateway, and forks their supervisors."""

    def __init__(self, owner: int) -> None:
        """Watch the gateway, the door and the ends of children. ProcessLookupError: the gateway has ended."""
        self.loop = Loop()
        self.limits = Limits(owner)
        self.warmed = Warmed()
        self.planners = Planners(self)
        self.here = context.here("", "")
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


class Wish:
    """One sandbox that is asked for, until it has a supervisor."""

    def __init__(self, template: Template, connection: _socket.socket) -> None:
        """Wait for what is wanted."""
        self.asked: dict[str, Any] = {}
        self.key = b""
        self.limits: Differing = ()
        self._template = template
        self._connection = connection
        self._reader = frames.Reader(connection)
        template.loop.watch(connection.fileno(), self._heard)

    def _heard(self) -> None:
        for kind, payload, descriptors in self._reader.take():
            for fd in descriptors:
                os.close(fd)
            if kind == protocol.LAUNCH and not self.asked:
                self.asked = marshal.loads(payload)  # noqa: S302 - from our gateway
                self.limits = self._template.limits.differing()
                self.key = key({name: self.asked[name] for name in _ASKED}, self.limits)
                self.plan()
        if self._reader.ended:
            self._template.planners.forget(self)
            self._close()

    def plan(self) -> None:
        """Take a plan that holds, or have one made."""
        warm = self._template.warmed.find(self.key)
        if warm:
            self.launch(warm)
            return
        try:
            self._template.planners.ask(self)
        except OSError as error:
            self.failed(OpenShellError(f"cannot plan the sandbox: fork: {error.strerror}", code="planning.died"))

    def launch(self, warm: Warm) -> None:
        """Fork its supervisor."""
        try:
            pid = os.fork()
        except OSError as error:
            self.failed(OpenShellError(f"cannot start a supervisor: fork: {error.strerror}", code="system"))
            return
        if pid == 0:
            _supervise(self, warm)
        if warm.planned.identity_lock is not None:
            os.close(warm.planned.identity_lock)  # the supervisor holds it
        self._close()

    def failed(self, error: OpenShellError) -> None:
        """Tell that there will be no sandbox."""
        frames.Outbox(self._connection).send(protocol.FAILED, marshal.dumps(failure.pack(error)))
        self._close()

    def broke(self, error: Exception) -> None:
        """Tell that we have a defect."""
        self.failed(OpenShellError(f"openshell has a defect: {type(error).__name__}: {error}", code="internal"))

    def _close(self) -> None:
        self._template.loop.forget(self._connection.fileno())
        self._reader.close()
        self._connection.close()

    @property
    def here(self) -> context.Context:
        """The surroundings of its events."""
        return self._template.here

    @property
    def connection(self) -> _socket.socket:
        """The connection of who asked for it."""
        return self._connection


def _supervise(wish: Wish, warm: Warm) -> NoReturn:
    """Become the supervisor of a sandbox: in a session of its own, with nothing of the template's."""
    code = 1
    try:
        os.setsid()
        lock = warm.planned.identity_lock
        process.close_fds((0, 1, 2, wish.connection.fileno(), *(() if lock is None else (lock,))))
        os.environ.clear()
        os.environ.update(wish.asked["environ"])
        keeper = Keeper(wish.connection, wish.asked, warm, wish.here)
        keeper.launch()
        keeper.loop.run()
        code = 0
    finally:
        os._exit(code)
