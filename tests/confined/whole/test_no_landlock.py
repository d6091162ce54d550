"""Kernels without Landlock: three ways to lack it, three messages, and nothing runs unless it is asked for."""

import pytest

from tests.confined.landlock.harness import needs_landlock
from tests.confined.whole import callers

CASES = {
    "ENOSYS": ("this kernel has no Landlock", "CONFIG_SECURITY_LANDLOCK"),
    "EOPNOTSUPP": ("it was not switched on at boot", "lsm="),
    "EPERM": ("something around this process forbids Landlock", "landlock_restrict_self"),
}


@pytest.mark.parametrize("answer", CASES)
def test_nothing_is_started(anyone, answer):
    """The message tells this cause from the others, and the hint says what to do about it."""
    anyone.world = (f"landlock_create_ruleset={answer}",)
    error = callers.refused(anyone)
    message, hint = CASES[answer]
    assert ("kernel.no-landlock", True, True) == (error["code"], message in error["message"], hint in error["hint"])
    assert f"({answer})" in error["message"]
    assert "--unsafe-unconfined" in error["hint"]
    assert not (anyone.state / "openshell" / "runs").exists()


@needs_landlock
def test_abi_0_is_none(anyone):
    """--max-abi 0 leaves nothing to confine with, and says so."""
    error = callers.refused(anyone, "--max-abi", "0")
    assert ("kernel.no-landlock", True) == (error["code"], "--max-abi 0" in error["message"])


@pytest.mark.parametrize("answer", CASES)
def test_unconfined_on_request(anyone, answer):
    """With --unsafe-unconfined it runs: a High finding on stderr and in the record, and no rule or grant pretends."""
    anyone.world = (f"landlock_create_ruleset={answer}",)
    done = anyone.run("-n", "bare", "--unsafe-unconfined", "--", "ls", "/")
    assert 0 == done.returncode, done.stderr
    assert "usr" in done.stdout.split()
    assert "openshell: high: " in done.stderr
    assert f"{CASES[answer][0]} ({answer})" in done.stderr
    assert "no path is closed by this sandbox" in done.stderr
    assert CASES[answer][1] in done.stderr
    record = anyone.record("bare")
    assert ("High", 0, []) == (
        record.findings["landlock.unconfined"]["severity"],
        record.effective["landlock"]["abi"],
        record.receipt["rules"],
    )
    assert "enforced" not in {grant["status"] for grant in record.effective["grants"]}
    assert not [grant for grant in record.effective["grants"] if grant["actual"]]
    (step,) = [step for step in record.receipt["steps"] if step["name"] == "landlock"]
    assert step["result"].startswith("UNCONFINED")


@pytest.mark.parametrize("answer", CASES)
def test_hard_requirement_is_never_unconfined(anyone, answer):
    """A policy that insists wins over the option."""
    anyone.world = (f"landlock_create_ruleset={answer}",)
    policy = {"version": 1, "landlock": {"compatibility": "hard_requirement"}}
    error = callers.refused(anyone, "--unsafe-unconfined", policy=policy)
    message, hint = CASES[answer]
    assert ("policy.hard-requirement", True, True) == (
        error["code"],
        message in error["message"],
        hint in error["hint"],
    )
