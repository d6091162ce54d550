"""CUDA's thread names: what each value of the key does, and that only GPU sandboxes are affected."""

import itertools

import pytest

from pyopenshell.devices.host import Broker
from pyopenshell.effective.runtime import PATTERN, wants_broker
from pyopenshell.errors import PolicyRefused
from pyopenshell.policy.model import COMPATIBILITY, CUDA_THREAD_NAMES
from tests.unit.effective.cases import GOOD_HOST, by_id, codes, composed, findings, policy

ID = "runtime/cuda-thread-names:/proc"
BROKER_ID = f"runtime/cuda-thread-names:{PATTERN}"
NO_BROKER = GOOD_HOST.replace(broker=Broker("unavailable", "there is none on this host"))


def on(state, **fields):
    """Compose on a host whose trial found this of the broker."""
    return composed(gpu=0, host=GOOD_HOST.replace(broker=Broker(state)), **fields)


@pytest.mark.parametrize("compatibility", COMPATIBILITY)
@pytest.mark.parametrize("choice", ["auto", "broker"])
@pytest.mark.parametrize("state", ["available", "outer"])
def test_the_broker(choice, compatibility, state):
    """Exactly {write_file} on a pattern, through the broker, with an Informational finding that says whose it is."""
    effective = on(state, cuda_thread_names=choice, compatibility=compatibility)
    (grant,) = effective.runtime_additions
    expected = (BROKER_ID, PATTERN, None, ("write_file",), "broker", "planned")
    assert expected == (grant.id, grant.path, grant.resolved, grant.access, grant.mechanism, grant.status)
    assert effective.brokered
    (finding,) = findings(effective, "cuda.thread-names.broker")
    assert ("Informational", BROKER_ID) == (finding.severity, finding.grant)
    assert ("sandbox around" in finding.message) is (state == "outer")


@pytest.mark.parametrize(("choice", "why"), [("auto", "there is none on this"), ("write_file", "the policy chose")])
def test_write_file_beneath_proc(choice, why):
    """Exactly {write_file} on /proc, listed under runtime_additions, with a High finding that has count and cause."""
    effective = composed(gpu=0, host=NO_BROKER, cuda_thread_names=choice)
    (grant,) = effective.runtime_additions
    expected = (ID, "/proc", ("write_file",), "runtime/cuda-thread-names", "landlock", "planned")
    assert expected == (grant.id, grant.path, grant.access, str(grant.origin), grant.mechanism, grant.status)
    assert not effective.brokered
    (finding,) = findings(effective, "cuda.thread-names.write-file")
    assert ("High", ID) == (finding.severity, finding.grant)
    assert "1,628" in finding.message
    assert "38 to a user" in finding.message
    assert why in finding.message


def test_a_chosen_rule_needs_no_broker():
    """write_file means the rule, also where the broker could be had."""
    assert [ID] == [grant.id for grant in on("available", cuda_thread_names="write_file").runtime_additions]


@pytest.mark.parametrize("fields", [{"compatibility": "hard_requirement"}, {"cuda_thread_names": "broker"}])
def test_no_broker_is_an_error_where_the_policy_insists(fields):
    """Refused, not replaced by something wider; the message says why, the hint how to choose write_file oneself."""
    with pytest.raises(PolicyRefused) as caught:
        composed(gpu=0, host=NO_BROKER, **fields)
    assert "cuda.broker-unavailable" == caught.value.code
    assert "there is none on this host" in caught.value.message
    assert "cuda_thread_names: write_file" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("choice", "gpu", "expected"),
    [("auto", 0, True), ("broker", -1, True), ("auto", None, False), ("write_file", 0, False), ("off", 0, False)],
)
def test_a_trial_is_made_only_where_it_matters(choice, gpu, expected):
    """Without a GPU, or with the mechanism chosen, nobody asks."""
    assert expected is wants_broker(policy(cuda_thread_names=choice), cuda=gpu is not None)


@pytest.mark.parametrize("choice", ["write_file", "off"])
def test_an_explicit_choice_holds_under_hard_requirement(choice):
    """What the operator chose is not weaker than asked."""
    effective = composed(gpu=0, compatibility="hard_requirement", cuda_thread_names=choice)
    assert (choice == "write_file") is (ID in by_id(effective))


def test_off_adds_nothing_and_says_what_follows():
    """No grant; a High finding that CUDA will fail."""
    effective = composed(gpu=0, cuda_thread_names="off")
    assert () == effective.runtime_additions
    assert ["High"] == [finding.severity for finding in findings(effective, "cuda.thread-names.off")]


@pytest.mark.parametrize(("choice", "compatibility"), [*itertools.product(CUDA_THREAD_NAMES, COMPATIBILITY)])
def test_a_sandbox_without_a_gpu_is_not_affected(choice, compatibility):
    """Whatever the key says: no addition, no finding, no refusal."""
    effective = composed(cuda_thread_names=choice, compatibility=compatibility)
    assert () == effective.runtime_additions
    assert not any(code.startswith("cuda.") for code in codes(effective))


@pytest.mark.parametrize("choice", CUDA_THREAD_NAMES)
@pytest.mark.parametrize("compatibility", COMPATIBILITY)
def test_a_declared_writable_proc_is_just_that(choice, compatibility):
    """No addition beside it; the finding names the operator as the origin, with the count."""
    effective = composed(gpu=0, read_write=["/proc"], cuda_thread_names=choice, compatibility=compatibility)
    assert () == effective.runtime_additions
    assert {"declared.proc-writable"} == codes(effective)
    (finding,) = findings(effective, "declared.proc-writable")
    assert ("High", "declared/read_write:/proc") == (finding.severity, finding.grant)
    assert "1,628" in finding.message


def test_a_declared_writable_proc_is_told_without_a_gpu_too():
    """It opens the same files."""
    assert {"declared.proc-writable"} == codes(composed(read_write=["/proc"]))


def test_the_addition_coexists_with_a_declared_read_only_proc():
    """Neither narrows, covers nor merges with the other."""
    grants = by_id(composed(gpu=0, host=NO_BROKER, read_only=["/proc"]))
    assert "planned" == grants[ID].status
    assert "planned" == grants["declared/read_only:/proc"].status
    assert "write_file" not in grants["declared/read_only:/proc"].access
    assert "declared/read_only:/proc" == grants["baseline/process:/proc"].detail.covered_by


def test_the_addition_covers_nothing():
    """A grant beneath /proc keeps its own origin."""
    grants = by_id(composed(gpu=0, host=NO_BROKER))
    assert ID not in {grant.detail.covered_by for grant in grants.values()}
