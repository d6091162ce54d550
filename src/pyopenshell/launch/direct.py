"""Init, born in its namespaces: no process stands between it and the one that keeps the sandbox.

A stem is needed where a broker serves the sandbox, and where there is no pid namespace to end it with. A sandbox with
neither need has one process less, which is a fifth of what it costs.
"""

from __future__ import annotations

import marshal
import os

from pyopenshell.kernel import clone, process
from pyopenshell.kernel import namespaces as ns
from pyopenshell.kernel.signals import SIGKILL
from pyopenshell.launch import child, stem, wire
from pyopenshell.launch.plan import unshare_flags
from pyopenshell.launch.steps import CONTROL, Steps, guarded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def suits(namespaces: dict[str, bool], *, broker: bool) -> bool:
    """Whether a sandbox can do without a stem."""
    return namespaces["pid"] and not broker


def flags(namespaces: dict[str, bool]) -> int:
    """Return the namespaces that init is to be born in; it makes the others itself, which takes a while."""
    return unshare_flags({**namespaces, "mount": False, "net": False, "ipc": False})


def start(namespaces: int, control: int) -> int:
    """Fork init from a single-threaded process, into these ``flags``; return its pid.

    ``control`` is its end of the control socket, on which it is sent its plan (``PLAN``). Once its namespaces are made
    it says so (``INIT_PID``), and the supervisor is to look at them and to send ``SEEN``. Raises OSError.
    """
    ids = os.geteuid(), os.getegid()
    pid = clone.fork(namespaces)
    if pid == 0:
        steps = Steps()
        guarded(steps, lambda: _init(control, ids, steps))
    return pid


def _init(control: int, ids: tuple[int, int], steps: Steps) -> int:
    with steps.run("descriptors"):  # 1: only 0-2 and our own survive
        stem.place([control])
        plan = _plan()
    with steps.run("session"):  # 2: and it must not outlive the supervisor
        os.setsid()
        process.set_parent_death_signal(SIGKILL)
    with steps.run("namespaces"):  # 3: in two of them it was born
        ns.unshare(unshare_flags({**plan["namespaces"], "user": False, "pid": False}))
        stem.furnish(plan, *ids)
        wire.send_number(CONTROL, wire.INIT_PID, os.getpid())
    child.run(plan, steps, None, _await_seen)


def _plan() -> dict[str, Any]:
    told = wire.receive(CONTROL)
    if told is None:
        os._exit(125)  # the supervisor is gone: there is nobody to start for
    plan: dict[str, Any] = marshal.loads(told[1])  # noqa: S302 - from the supervisor
    return plan


def _await_seen() -> None:
    """Wait until the supervisor has looked."""
    if wire.receive(CONTROL) is None:
        os._exit(125)
