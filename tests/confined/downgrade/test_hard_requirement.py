"""Under hard_requirement exactly what nothing stands in for is refused, each by its name."""

from __future__ import annotations

import json

import pytest

from pyopenshell.devices.host import LANDLOCK_SINCE
from pyopenshell.launch import trial
from tests.confined.downgrade.test_report import SINCE
from tests.confined.landlock import harness
from tests.confined.launch import world
from tests.confined.launch.conftest import sandbox

__all__ = ["sandbox"]

pytestmark = [pytest.mark.kernels, harness.needs_landlock]
SOCKETS = "pathname Unix sockets of the host can be connected to"


@pytest.mark.parametrize("kind", ["namespaces", "no namespaces"])
def test_exactly_the_gaps(sandbox, kind):
    """The rights that are missing without a stand-in, and reachable sockets; where there are none, it starts."""
    sandbox.world = world.WORLDS[kind]
    made = trial.namespaces() if kind == "namespaces" else None
    replaced = {
        "abstract_unix_socket": made is not None and made.net,
        "signal": made is not None and made.pid,
        "resolve_unix": made is not None and made.mount,
        "ioctl_dev": False,
    }
    expected = {
        f"the right {right} needs Landlock ABI {SINCE[right]} (Linux {LANDLOCK_SINCE[SINCE[right]]}), "
        f"this kernel has {harness.ABI}"
        for right, there in replaced.items()
        if SINCE[right] > harness.ABI and not there
    }
    if not replaced["resolve_unix"] and harness.ABI < 9:
        expected.add(SOCKETS)
    marker = sandbox.workdir / "started"
    policy = {"version": 1, "filesystem_policy": {"include_workdir": True}, **world.HARD}
    done = sandbox.run("-o", "json", "--", "touch", marker, policy=policy)
    if not expected:
        assert (0, True) == (done.returncode, marker.exists()), done.stderr
        return
    assert (125, "", False) == (done.returncode, done.stdout, marker.exists())
    error = json.loads(done.stderr)["error"]
    assert "policy.hard-requirement" == error["code"]
    message = error["message"].removeprefix("hard_requirement cannot be kept on this host: ")
    assert expected == set(message.split("; ")) - ({SOCKETS} - expected if replaced["resolve_unix"] else set())
