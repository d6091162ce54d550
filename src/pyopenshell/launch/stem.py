"""The first process of a launch, which stays outside of the sandbox as the ancestor of everything in it.

It leaves the caller's session, makes the namespaces, forks init (``launch.child``) and waits for it. In a sandbox whose
CUDA thread names go through the broker, it is the broker. See docs/decisions/0006.
"""

from __future__ import annotations

import fcntl
import os

from pyopenshell.kernel import namespaces as ns
from pyopenshell.kernel import process
from pyopenshell.launch import child, reap, streams, wire
from pyopenshell.launch.plan import unshare_flags
from pyopenshell.launch.steps import CONTROL, REPORTS, Steps, guarded
from pyopenshell.launch.trial import map_identity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from pyopenshell.launch.brokering import Channel


def start(plan: dict[str, Any], control_fd: int, reports_fd: int | None) -> NoReturn:
    """Run the whole child. Never returns: every way out is ``os._exit``.

    ``reports_fd`` is there where the stem is to become a broker.
    """
    steps = Steps()
    descriptors = [fd for fd in (control_fd, reports_fd) if fd is not None]
    guarded(steps, lambda: _stem(plan, descriptors, steps))


def _stem(plan: dict[str, Any], descriptors: list[int], steps: Steps) -> int:
    with steps.run("descriptors"):  # 1: only 0-2 and our own survive
        place(descriptors)
    with steps.run("session"):  # 2: away from the caller's terminal; our end must not outlive the supervisor
        os.setsid()
        process.set_parent_death_signal(reap.ALONE)
        process.set_child_subreaper()
    here = os.open("/proc", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)  # before another one is mounted over it
    with steps.run("namespaces"):  # 3
        uid, gid = os.geteuid(), os.getegid()
        flags = unshare_flags(plan["namespaces"])
        if flags:
            ns.unshare(flags)
        furnish(plan, uid, gid)
    with steps.run("fork init"):  # 4: pid 1 of the new pid namespace, where there is one
        channel = _channel() if plan["broker"] else None
        ready_read, ready_write = os.pipe()
        pid = os.fork()
        if pid == 0:
            for fd in (ready_write, here, *([REPORTS] if channel else [])):
                os.close(fd)
            if not os.read(ready_read, 1):
                os._exit(1)  # the stem is gone: nothing here has begun yet
            os.close(ready_read)
            child.run(plan, steps, channel and channel.keep_inner())
        os.close(ready_read)
        wire.send_number(CONTROL, wire.INIT_PID, pid)
        wire.receive(CONTROL)  # the supervisor has looked at init, or is gone: then init ends when it waits for its go
        os.write(ready_write, b"!")
        os.close(ready_write)
    if channel:
        steps.current = "seccomp"
        return _broker(plan, pid, channel, here)
    os.close(CONTROL)
    return reap.wait_and_sweep(pid)


# The supervisor has imported ``brokering`` for a plan with a broker: nothing is read from a file below.


def _channel() -> Channel:
    from pyopenshell.launch.brokering import Channel

    return Channel()


def _broker(plan: dict[str, Any], init: int, channel: Channel, here: int) -> int:
    """Become the broker, and wait for init as one. Returns the exit code."""
    from pyopenshell.launch import brokering

    reporter = brokering.Reporter(REPORTS)
    service = brokering.Brokering(channel, here, reporter, depth=int(plan["namespaces"]["pid"]))
    brokering.drop(plan)
    os.close(CONTROL)
    code = reap.wait_and_sweep(init, service)
    service.end()
    return code


def furnish(plan: dict[str, Any], uid: int, gid: int) -> None:
    """Make this process's new namespaces usable: map its ids as they were, bring up the loopback. Raises OSError."""
    if plan["change_identity"]:
        # A file the runtime makes must not be more open than it says because of the caller's umask.
        os.umask(0o022)
    if plan["namespaces"]["user"]:
        map_identity(uid, gid)
    if plan["namespaces"]["net"]:
        ns.bring_up_loopback()


def place(descriptors: list[int]) -> None:
    """Put our descriptors where they belong, and close all others but the standard streams.

    They may have each other's number, so copies are made first, above.
    """
    places = (CONTROL, REPORTS)[: len(descriptors)]
    copies = [fcntl.fcntl(fd, fcntl.F_DUPFD, REPORTS + 1) for fd in descriptors]
    for copy, target in zip(copies, places, strict=True):
        os.dup2(copy, target, inheritable=False)
    process.close_fds((0, 1, 2, *places))
    streams.fill()
