"""A device node that is there asks for nothing: only --gpu does."""

from pathlib import Path

import pytest

from pyopenshell.devices import nodes
from tests.confined.landlock.harness import needs_landlock
from tests.confined.launch import world
from tests.confined.whole import callers

pytestmark = needs_landlock

GOLDEN = Path(__file__).parent / "golden" / "without-gpu.txt"
"""The grants of ``true`` under the built-in policy that get a rule, by id, in order; WORK is the working folder."""
NODES = ("nvidia0", "nvidiactl", "nvidia-uvm")


def rules(sandbox, *options, **settings):
    """Run ``true`` under the built-in policy, and return the grants of the receipt's rules."""
    done = sandbox.run("-q", "-n", "rules", *options, "--", "/usr/bin/true", **settings)
    assert (0, "") == (done.returncode, done.stderr)
    grants = [rule["grant"] for rule in sandbox.record("rules").receipt["rules"]]
    return [grant.replace(str(sandbox.workdir), "WORK") for grant in grants]


def needs_a_usual_host():
    """Skip the test where the golden list cannot hold."""
    world.needs_namespaces()
    if any(not Path(f"/{name}").is_symlink() for name in ("bin", "sbin", "lib")):
        pytest.skip("needs: a merged /usr")
    if Path("/app").exists() or Path("/sandbox").exists():
        pytest.skip("needs: a host without /app and /sandbox")


@pytest.mark.parametrize("nodes", [(), NODES])
def test_rules_without_gpu(root, nodes):
    """The rules are the golden list, whether or not GPU nodes are present."""
    needs_a_usual_host()
    assert GOLDEN.read_text().split() == rules(root, preexec_fn=callers.in_own_mounts(callers.devices(*nodes)))


def test_rules_of_a_user(user):
    """An ordinary user's sandbox has the same rules on the host as it is, with GPU nodes or not."""
    needs_a_usual_host()
    assert GOLDEN.read_text().split() == rules(user)


def test_rules_with_gpu(root):
    """The same nodes with --gpu: they get rules besides, and nothing else changes."""
    needs_a_usual_host()
    found = rules(root, "--gpu", preexec_fn=callers.in_own_mounts(callers.devices(*NODES)))
    more = [grant for grant in found if grant not in GOLDEN.read_text().split()]
    assert [f"baseline/gpu:/dev/{node}" for node in ("nvidiactl", "nvidia-uvm", "nvidia0")] == [
        grant for grant in more if "/dev/" in grant
    ]
    assert not [grant for grant in more if not grant.startswith("baseline/gpu:")]
    assert set(GOLDEN.read_text().split()) <= set(found)


@pytest.mark.parametrize(
    ("nodes", "count", "code"),
    [((), "all", "gpu.missing"), (("nvidiactl",), "all", "gpu.missing"), (NODES, "2", "gpu.too-few")],
)
def test_a_gpu_that_is_not_there(root, nodes, count, code):
    """Without a GPU, with a driver alone, and with too few: an error that says which, and nothing is started."""
    own = callers.in_own_mounts(callers.devices(*nodes))
    assert code == callers.refused(root, "--gpu", count, preexec_fn=own)["code"]


def test_no_gpu_on_this_host(anyone):
    """--gpu where there is none says so, and names the way to the runtime alone."""
    if nodes.gpus(nodes.present()):
        pytest.skip("needs: a host without a GPU")
    error = callers.refused(anyone, "--gpu")
    assert ("gpu.missing", "a GPU was asked for, and this host has none") == (error["code"], error["message"])
    assert "--gpu 0" in error["hint"]
