"""Init, born in its namespaces: no process stands between it and the one that keeps the sandbox.

A stem is needed where a broker serves the sandbox, and where there is no pid namespace to end it with. A sandbox with
neither need has one process less, which is a fifth of what it costs.
"""

from __future__ import annotations

import os

from pyopenshell.kernel import clone, process
from pyopenshell.kernel import namespaces as ns
from pyopenshell.kernel.signals import SIGKILL
from pyopenshell.launch import child, stem, wire
from pyopenshell.launch.plan import unshare_flags
from pyopenshell.launch.steps import CONTROL, Steps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def suits(plan: dict[str, Any]) -> bool:
    """Whether this sandbox can do without a stem."""
    return bool(plan["namespaces"]["pid"]) and not plan["broker"]


def start(plan: dict[str, Any], control: int) -> int:
    """Fork init from a single-threaded process; return its pid. ``control`` is its end of the control socket.

    It makes the other namespaces itself, which takes a while, and says so (``INIT_PID``, with its number in its own);
    the supervisor is then to look at them and to send ``SEEN``. Raises OSError.
    """
    ids = os.geteuid(), os.getegid()
    pid = clone.fork(unshare_flags({**plan["namespaces"], "mount": False, "net": False, "ipc": False}))
    if pid == 0:
        steps = Steps()
        stem.guarded(steps, lambda: _init(plan, control, ids, steps))
    return pid


def _init(plan: dict[str, Any], control: int, ids: tuple[int, int], steps: Steps) -> int:
    with steps.run("descriptors"):  # 1: only 0-2 and our own survive
        stem.place([control])
    with steps.run("session"):  # 2: and it must not outlive the supervisor
        os.setsid()
        process.set_parent_death_signal(SIGKILL)
    with steps.run("namespaces"):  # 3: in two of them it was born
        ns.unshare(unshare_flags({**plan["namespaces"], "user": False, "pid": False}))
        stem.furnish(plan, *ids)
        wire.send_number(CONTROL, wire.INIT_PID, os.getpid())
    child.run(plan, steps, None, _await_seen)


def _await_seen() -> None:
    """Wait until the supervisor has looked; where it is gone there is nobody to start for."""
    if wire.receive(CONTROL) is None:
        os._exit(125)
