"""CUDA's thread names: what each value of the key does, and that only GPU sandboxes are affected."""

import itertools

import pytest

from pyopenshell.errors import PolicyRefused
from pyopenshell.policy.model import COMPATIBILITY, CUDA_THREAD_NAMES
from tests.unit.effective.cases import by_id, codes, composed, findings

ID = "runtime/cuda-thread-names:/proc"


@pytest.mark.parametrize("choice", ["auto", "write_file"])
def test_write_file_beneath_proc(choice):
    """Exactly {write_file} on /proc, listed under runtime_additions, with a High finding that holds the count."""
    effective = composed(gpu=0, cuda_thread_names=choice)
    (grant,) = effective.runtime_additions
    expected = (ID, "/proc", ("write_file",), "runtime/cuda-thread-names", "landlock", "planned")
    assert expected == (grant.id, grant.path, grant.access, str(grant.origin), grant.mechanism, grant.status)
    (finding,) = findings(effective, "cuda.thread-names.write-file")
    assert ("High", ID) == (finding.severity, finding.grant)
    assert "1,664" in finding.message
    assert "75" in finding.message
    assert ("broker" in finding.message) is (choice == "auto")


def test_auto_is_refused_under_hard_requirement():
    """There is no broker yet; the hint says how to choose write_file oneself."""
    with pytest.raises(PolicyRefused) as caught:
        composed(gpu=0, compatibility="hard_requirement")
    assert "cuda.broker-unavailable" == caught.value.code
    assert "cuda_thread_names: write_file" in (caught.value.hint or "")


@pytest.mark.parametrize("choice", ["write_file", "off"])
def test_an_explicit_choice_holds_under_hard_requirement(choice):
    """What the operator chose is not weaker than asked."""
    effective = composed(gpu=0, compatibility="hard_requirement", cuda_thread_names=choice)
    assert (choice == "write_file") is (ID in by_id(effective))


def test_broker_is_not_available_yet():
    """Refused, not replaced by something wider."""
    with pytest.raises(PolicyRefused) as caught:
        composed(gpu=0, cuda_thread_names="broker")
    assert "cuda.broker-unavailable" == caught.value.code
    assert "not available in this version" in caught.value.message


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


@pytest.mark.parametrize("choice", ["auto", "write_file", "off"])
@pytest.mark.parametrize("compatibility", COMPATIBILITY)
def test_a_declared_writable_proc_is_just_that(choice, compatibility):
    """No addition beside it; the finding names the operator as the origin, with the count."""
    effective = composed(gpu=0, read_write=["/proc"], cuda_thread_names=choice, compatibility=compatibility)
    assert () == effective.runtime_additions
    assert {"declared.proc-writable"} == codes(effective)
    (finding,) = findings(effective, "declared.proc-writable")
    assert ("High", "declared/read_write:/proc") == (finding.severity, finding.grant)
    assert "1,664" in finding.message


def test_a_declared_writable_proc_is_told_without_a_gpu_too():
    """It opens the same files."""
    assert {"declared.proc-writable"} == codes(composed(read_write=["/proc"]))


def test_the_addition_coexists_with_a_declared_read_only_proc():
    """Neither narrows, covers nor merges with the other."""
    grants = by_id(composed(gpu=0, read_only=["/proc"]))
    assert "planned" == grants[ID].status
    assert "planned" == grants["declared/read_only:/proc"].status
    assert "write_file" not in grants["declared/read_only:/proc"].access
    assert "declared/read_only:/proc" == grants["baseline/process:/proc"].detail.covered_by


def test_the_addition_covers_nothing():
    """A grant beneath /proc keeps its own origin."""
    grants = by_id(composed(gpu=0))
    assert ID not in {grant.detail.covered_by for grant in grants.values()}
