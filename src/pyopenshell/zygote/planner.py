"""Planning, in a child of the zygote: what it imports is not kept, and what it may wait for holds nobody up.

It inherits the zygote's imports, takes on the owner's environment and working directory, plans, sends the plan back and
ends. The lock of a dynamic id comes back with it, as a descriptor.
"""

from __future__ import annotations

import _socket
import gc
import marshal
import os
import select

from pyopenshell.errors import OpenShellError, UsageError
from pyopenshell.kernel import process, signals
from pyopenshell.launch import frames
from pyopenshell.planning import Planned, RunRequest, plan
from pyopenshell.policy import cache, load
from pyopenshell.zygote import carry, failure, stamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from pyopenshell.devices.host import Host

PLANNED, REFUSED = b"P", b"R"


class Planner:
    """One planning under way. Watch ``fd``, and call ``take`` when it can be read."""

    def __init__(self, asked: dict[str, Any], host: Host | None = None) -> None:
        """Fork the child. ``asked`` is what ``protocol.CREATE`` carries; ``host`` is known already."""
        self._socket, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
        self.fd = self._socket.fileno()
        self._reader = frames.Reader(self._socket)
        self.pid = os.fork()
        if self.pid == 0:
            _run(asked, host, theirs)
        theirs.close()

    def take(self) -> tuple[Planned, stamp.Stamp] | OpenShellError | None:
        """Return the plan and what it depends on, or why there is none; None: not yet."""
        for kind, payload, descriptors in self._reader.take():
            told = marshal.loads(payload)  # noqa: S302 - from our own fork
            if kind == REFUSED:
                return failure.unpack(told)
            if told["is_locked"] and not descriptors:
                return OpenShellError("cannot keep an id for the sandbox: too many open files", code="system")
            planned: Planned = carry.unpack(told["planned"])
            return planned.replace(identity_lock=descriptors[0] if descriptors else None), carry.unpack(told["stamp"])
        if self._reader.ended:
            return OpenShellError(
                "cannot plan the sandbox: the process that does ended without a word",
                code="planning.died",
                hint="it was killed, perhaps for memory; see the kernel's log",
            )
        return None

    def close(self) -> None:
        """End it, whatever it may be doing; the zygote reaps it."""
        self._reader.close()
        self._socket.close()
        try:
            os.kill(self.pid, signals.SIGKILL)
        except ProcessLookupError:
            pass


def _run(asked: dict[str, Any], host: Host | None, connection: _socket.socket) -> NoReturn:
    try:
        process.close_fds((0, 1, 2, connection.fileno()))
        process.set_parent_death_signal(signals.SIGKILL)
        gc.disable()  # it ends before there is anything to collect
        signals.pthread_sigmask(signals.SIG_SETMASK, ())
        try:
            planned, found = _plan(asked, host)
        except BaseException as error:
            frames.send(connection, REFUSED, failure.pack(error))
            os._exit(0)
        lock = planned.identity_lock
        plain = carry.pack(planned.replace(identity_lock=None))
        told = {"planned": plain, "stamp": carry.pack(found), "is_locked": lock is not None}
        frames.send(connection, PLANNED, told, () if lock is None else (lock,))
        select.select([connection], [], [], 10)  # where nobody takes it any more the lock goes with this process
    finally:
        os._exit(0)


def _plan(asked: dict[str, Any], host: Host | None) -> tuple[Planned, stamp.Stamp]:
    os.environ.clear()
    os.environ.update(asked["environ"])
    try:
        os.chdir(asked["cwd"])
    except OSError as error:
        raise UsageError(
            f"the current folder {asked['cwd']} cannot be entered: {error.strerror}",
            hint="change to another folder",
        ) from error
    policy = None
    if asked["policy"]:
        file, text, tree = asked["policy"]
        policy = load.parse(text.encode(), file, tree=cache.node(tree))
    fields: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in asked["request"].items()
    }
    planned = plan(RunRequest(**fields | {"policy": policy}), keep_id=True, host=host)
    return planned, stamp.take(planned) if stamp.is_lasting(planned) else stamp.NONE
