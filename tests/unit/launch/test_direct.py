"""Init, born in its namespaces: when it is needed, what it is born in, and that it waits to be looked at."""

import _socket
import marshal
import os
import select
import signal

import pytest
from tests.confined.landlock import harness
from tests.unit.zygote import plans

from pyopenshell.kernel import namespaces as ns
from pyopenshell.launch import direct, wire

KINDS = ("user", "mount", "pid", "net", "ipc")


def test_a_stem_is_needed_for_a_broker_and_without_a_pid_namespace():
    """Who else would serve, or end all that is left."""
    apart = dict.fromkeys(KINDS, True)
    assert direct.suits(apart, broker=False)
    assert not direct.suits(apart, broker=True)
    assert not direct.suits({**apart, "pid": False}, broker=False)


def test_it_is_born_in_two_namespaces_at_most():
    """Which it could not enter itself without one process more; the others it makes."""
    apart = dict.fromkeys(KINDS, True)
    assert ns.CLONE_NEWUSER | ns.CLONE_NEWPID == direct.flags(apart)
    assert ns.CLONE_NEWPID == direct.flags({**apart, "user": False})


def test_it_waits_until_it_was_looked_at(workdir):
    """Its namespaces are made, and its identity is not changed yet: nothing more is told before ``SEEN``."""
    planned = plans.planned(workdir)
    if not direct.suits(planned.plan.namespaces, broker=False) or harness.ABI == 0:
        pytest.skip("needs: namespaces and Landlock")

    def child():
        ours, theirs = _socket.socketpair()
        payload = marshal.dumps({**planned.plan.as_plain(), "limits": ()})
        ours.sendall(wire.head(wire.PLAN, len(payload)) + payload)
        pid = direct.start(direct.flags(planned.plan.namespaces), theirs.fileno())
        theirs.close()
        kinds = [wire.receive(ours.fileno())[0]]  # type: ignore[index]
        quiet = not select.select([ours], [], [], 0.5)[0]
        uids = [line for line in open(f"/proc/{pid}/status") if line.startswith("Uid:")]  # noqa: SIM115
        wire.send(ours.fileno(), wire.SEEN)
        kinds.append(wire.receive(ours.fileno())[0])  # type: ignore[index]
        os.kill(pid, signal.SIGKILL)
        return kinds, quiet, uids[0].split()[1], os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    kinds, quiet, uid, code = harness.in_child(child)
    assert ([wire.INIT_PID, wire.RECEIPT], True, str(os.geteuid()), -9) == (kinds, quiet, uid, code)


@pytest.mark.parametrize("when", ["before its plan", "before it was looked at"])
def test_without_a_supervisor_it_ends(workdir, when):
    """Whenever that goes."""
    planned = plans.planned(workdir)
    if not direct.suits(planned.plan.namespaces, broker=False):
        pytest.skip("needs: namespaces")

    def child():
        ours, theirs = _socket.socketpair()
        if when != "before its plan":
            payload = marshal.dumps({**planned.plan.as_plain(), "limits": ()})
            ours.sendall(wire.head(wire.PLAN, len(payload)) + payload)
        pid = direct.start(direct.flags(planned.plan.namespaces), theirs.fileno())
        theirs.close()
        if when != "before its plan":
            wire.receive(ours.fileno())
        ours.close()
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    assert 125 == harness.in_child(child)
