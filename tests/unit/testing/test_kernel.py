"""Plans for other kernels: they differ as those kernels do, and say so."""

import os

import pytest

from pyopenshell.errors import KernelUnsupported, PolicyRefused
from pyopenshell.landlock.abi import MAX_ABI, RIGHTS
from pyopenshell.policy import load
from pyopenshell.testing import Namespaces, fake_kernel

HARD = load.parse(b"version: 1\nlandlock: {compatibility: hard_requirement}\n")
BROKER = load.parse(b"version: 1\nruntime: {cuda_thread_names: broker}\n")


@pytest.fixture
def here(workdir):
    """What each of these plans is given."""
    return {"workdir": workdir, "command": ["/bin/true"]}


@pytest.mark.parametrize("abi", range(1, MAX_ABI + 1))
def test_what_an_abi_lacks_is_dropped(abi, here):
    """The report has exactly the rights that are newer, whatever kernel is here."""
    effective = fake_kernel(abi, namespaces=False).plan(**here)
    assert abi == effective.landlock.abi
    assert {right.name for right in RIGHTS if right.abi > abi} == {gap.right for gap in effective.landlock.dropped}


def test_without_namespaces_findings_say_what_is_open(here):
    """The same policy has a private view of the files with namespaces and none without, and a finding about it."""
    with_them, without = (fake_kernel(7, namespaces=made).plan(**here) for made in (True, False))
    assert ("private", "open") == (with_them.isolation["mount"].state, without.isolation["mount"].state)
    codes = [{finding.code for finding in effective.findings} for effective in (with_them, without)]
    assert {"isolation.mount-open", "isolation.pid-open"} <= codes[1] - codes[0]


def test_some_namespaces(here):
    """A host that makes a network namespace and mounts nothing."""
    some = Namespaces(user=True, net=True, ipc=True, reason="mount: Permission denied")
    isolation = fake_kernel(7, namespaces=some).plan(**here).isolation
    assert ("private", "open") == (isolation["net"].state, isolation["mount"].state)


def test_a_broker_or_its_stand_in(here):
    """CUDA's thread names go through the broker, or by a rule with a High finding, as the kernel has one or not."""
    brokered, ruled = (fake_kernel(7, broker=there).plan(gpu=0, **here) for there in (True, False))
    assert ("broker", "landlock") == tuple(one.runtime_additions[0].mechanism for one in (brokered, ruled))
    assert "High" in {found.severity for found in ruled.findings if found.code == "cuda.thread-names.write-file"}


def test_refusals_are_those_of_that_kernel(here):
    """What a launch there would refuse, a plan does."""
    with pytest.raises(PolicyRefused) as refused:
        fake_kernel(1).plan(HARD, **here)
    assert "policy.hard-requirement" == refused.value.code
    with pytest.raises(PolicyRefused) as refused:
        fake_kernel(7, broker=False).plan(BROKER, gpu=0, **here)
    assert "cuda.broker-unavailable" == refused.value.code
    with pytest.raises(KernelUnsupported) as lacking:
        fake_kernel(0).plan(**here)
    assert "kernel.no-landlock" == lacking.value.code
    assert 0 == fake_kernel(0).plan(unsafe_unconfined=True, **here).landlock.abi


def test_a_policy_file_and_the_programs(tmp_path, here):
    """A policy may be a path of any kind; nothing needs to be named that is run."""
    file = tmp_path / "policy.yaml"
    file.write_text("version: 1\nfilesystem_policy: {read_only: [/opt]}\n")
    for policy in (file, str(file)):
        effective = fake_kernel(5).plan(policy, workdir=here["workdir"])
        assert {"declared"} == {grant.origin.kind for grant in effective.grants if grant.path == "/opt"}


def test_nothing_is_started(here, monkeypatch):
    """No namespace and no broker is tried: what is asked about is another kernel."""
    monkeypatch.setattr("pyopenshell.planning.planned.Trial", None)
    monkeypatch.setattr("pyopenshell.planning.ground._broker_trial", None)
    assert fake_kernel(6).plan(gpu=0, **here).brokered


@pytest.mark.parametrize("abi", [-1, MAX_ABI + 1])
def test_nobody_knows_that_abi(abi):
    """There is none below 0, and none above the newest that is known."""
    with pytest.raises(ValueError, match=f"1 to {MAX_ABI}"):
        fake_kernel(abi)


def test_namespaces_of_root_need_no_user_namespace(here):
    """They are those that this process would make."""
    assert (os.geteuid() != 0) == fake_kernel(7).host.namespaces.user
