"""What the kernel said becomes the grants' outcome; nothing it accepted is without a grant."""

import errno

import pytest

from pyopenshell.effective.settle import Outcome, outcomes, settle
from pyopenshell.errors import LaunchError
from tests.unit.effective.cases import by_id, composed


def receipt(effective, **special):
    """Return a receipt in which the kernel accepted everything, but for the grants in ``special``."""
    rules = []
    for grant in effective.grants:
        if grant.status == "planned":
            rule = {
                "grant": grant.id,
                "dev": 1,
                "ino": 2,
                "requested": grant.access,
                "actual": grant.access,
                "errno": 0,
            }
            rules.append(rule | special.get(grant.id, {}))
    return {"rules": rules}


def settled(effective, **extra):
    """Settle with everything accepted, and with the receipt's other keys as given."""
    return settle(effective, outcomes(receipt(effective) | extra))


def test_accepted_rules_are_enforced_with_what_was_accepted():
    """What is actual is the kernel's word, and the state is the caller's."""
    effective = composed(read_only=["/etc/hosts"])
    special = {"declared/read_only:/etc/hosts": {"actual": ["execute", "read_file"]}}
    result = settle(effective, outcomes(receipt(effective, **special)), state="exited")
    grant = by_id(result)["declared/read_only:/etc/hosts"]
    assert ("enforced", ("execute", "read_file"), "exited") == (grant.status, grant.actual, result.state)


def test_a_rule_that_failed_is_skipped_with_its_errno():
    """The other rules stand."""
    effective = composed(read_only=["/data", "/etc/hosts"])
    special = {"declared/read_only:/data": {"actual": [], "errno": errno.ELOOP}}
    grants = by_id(settle(effective, outcomes(receipt(effective, **special))))
    assert ("skipped", errno.ELOOP) == (
        grants["declared/read_only:/data"].status,
        grants["declared/read_only:/data"].detail.errno,
    )
    assert "enforced" == grants["declared/read_only:/etc/hosts"].status


def test_a_grant_the_kernel_was_never_told_about_is_skipped():
    """No receipt, no claim."""
    effective = composed(read_only=["/data"])
    grant = by_id(settle(effective, {}))["declared/read_only:/data"]
    assert ("skipped", ()) == (grant.status, grant.actual)


def test_an_empty_rule_is_skipped():
    """Below ABI 3 a grant of truncate alone has nothing to say."""
    effective = composed(read_only=["/data"])
    grants = by_id(settle(effective, {"declared/read_only:/data": Outcome()}))
    assert "skipped" == grants["declared/read_only:/data"].status


@pytest.mark.parametrize("accepted", [True, False])
def test_covered_grants_share_their_givers_fate(accepted):
    """What covers and gets no rule gives nothing: the covered grant is skipped, not passed over."""
    effective = composed(read_only=["/usr"])
    special = {} if accepted else {"declared/read_only:/usr": {"actual": [], "errno": errno.EACCES}}
    grant = by_id(settle(effective, outcomes(receipt(effective, **special))))["baseline/process:/bin"]
    expected = ("covered", grant.access) if accepted else ("skipped", ())
    assert expected == (grant.status, grant.actual)
    assert "declared/read_only:/usr" == grant.detail.covered_by


def reach(find=0, read=0, write=0, execute=0):
    answers = {"find": find, "read": read, "write": write, "execute": execute}
    return [{"grant": "declared/read_write:/data", "folder": True, **answers}]


@pytest.mark.parametrize(
    ("answers", "status", "named", "kept"),
    [
        ({}, "enforced", set(), set()),
        (
            {"write": errno.EACCES},
            "blocked",
            {"make_reg", "remove_file", "refer"},
            {"write_file", "read_dir", "execute"},
        ),
        ({"read": errno.EACCES}, "blocked", {"read_dir"}, {"read_file", "write_file", "make_reg"}),
        ({"execute": errno.EACCES}, "blocked", {"read_file", "write_file", "execute"}, {"read_dir"}),
        ({"find": errno.EACCES}, "blocked", {"read_dir", "write_file", "execute"}, set()),
    ],
    ids=["all", "not writable", "not readable", "not searchable", "not found"],
)
def test_file_modes_block(answers, status, named, kept):
    """The rule stands; the detail names the rights that the modes deny the identity."""
    effective = composed(read_write=["/data"])
    grant = by_id(settled(effective, reach=reach(**answers)))["declared/read_write:/data"]
    assert (status, grant.access) == (grant.status, grant.actual)
    message = set((grant.detail.message or "").replace(",", "").split())
    assert named <= message
    assert kept.isdisjoint(message)
    assert (errno.EACCES if answers else None) == grant.detail.errno


def test_a_file_that_is_no_program_is_not_blocked():
    """Few files have an execute bit; a word on each would hide what matters."""
    effective = composed(read_only=["/etc/hosts"])
    special = {"declared/read_only:/etc/hosts": {"actual": ["execute", "read_file"]}}
    answers = {"grant": "declared/read_only:/etc/hosts", "find": 0, "read": 0, "write": 13, "execute": 13}
    answers["folder"] = False
    result = settle(effective, outcomes(receipt(effective, **special) | {"reach": [answers]}))
    assert "enforced" == by_id(result)["declared/read_only:/etc/hosts"].status


def test_a_file_that_cannot_be_written_is_blocked():
    """Writing needs permission to write; reading does not."""
    effective = composed(read_write=["/etc/hosts"])
    name = "declared/read_write:/etc/hosts"
    special = {name: {"actual": ["write_file", "read_file", "truncate"]}}
    answers = {"grant": name, "folder": False, "find": 0, "read": 0, "write": 13}
    grant = by_id(settle(effective, outcomes(receipt(effective, **special) | {"reach": [answers]})))[name]
    assert ("blocked", 13) == (grant.status, grant.detail.errno)
    assert (grant.detail.message or "").endswith("write_file, truncate")


def test_the_modes_of_proc_do_not_block_thread_names():
    """Its folder cannot be written to by anybody; the files beneath it have modes of their own."""
    effective = composed(gpu=0, cuda_thread_names="write_file")
    name = "runtime/cuda-thread-names:/proc"
    answers = {"grant": name, "folder": True, "find": 0, "read": 0, "write": 13, "execute": 0}
    result = settle(effective, outcomes(receipt(effective) | {"reach": [answers]}))
    assert "enforced" == by_id(result)[name].status


@pytest.mark.parametrize(("own", "note"), [(True, None), (False, "outer")])
def test_a_broker_gives_what_it_serves(own, note):
    """Its grants have no rule: it has its listener, and that makes them enforced. An outer one is said to be that."""
    effective = composed(gpu=0)
    (grant,) = effective.runtime_additions
    told = receipt(effective)
    told["rules"] = [rule for rule in told["rules"] if rule["grant"] != grant.id]
    served = settle(effective, outcomes(told | {"broker": {"grants": [grant.id], "own": own}}))
    (result,) = served.runtime_additions
    assert ("enforced", ("write_file",)) == (result.status, result.actual)
    assert note == (result.detail.message or None) or note in (result.detail.message or "")
    assert ["skipped"] == [grant.status for grant in settle(effective, outcomes(told)).runtime_additions]


def test_created_folders_say_so():
    """What was made for the sandbox is told."""
    effective = composed(read_write=["/data/new"])
    result = settled(effective, created=["declared/read_write:/data/new"])
    grant = by_id(result)["declared/read_write:/data/new"]
    assert ("enforced", "created") == (grant.status, grant.detail.message)


@pytest.mark.parametrize(
    ("identifier", "actual"),
    [
        ("declared/read_only:/other", ("read_file",)),
        ("declared/read_only:/none", ("read_file",)),
        ("declared/read_only:/data", ("read_file", "write_file")),
    ],
    ids=["unknown", "skipped before", "wider"],
)
def test_a_hidden_grant_stops_the_launch(identifier, actual):
    """Every right the kernel accepted was asked for by a planned grant, or the sandbox does not run."""
    effective = composed(read_only=["/data", "/none"])
    with pytest.raises(LaunchError) as caught:
        settle(effective, {identifier: Outcome(actual)})
    assert "receipt" == caught.value.step


def test_outcomes_that_matter_are_findings_and_leave_the_digest():
    """A declared path without a rule is told; a baseline's is not; the plan and its digest stay."""
    effective = composed(read_only=["/data"])
    result = settle(effective, {})
    assert ["declared/read_only:/data"] == [
        finding.grant for finding in result.findings if finding.code.startswith("outcome.")
    ]
    assert effective.digest == result.digest
