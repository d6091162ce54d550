"""What a kernel tells is counted, and nothing that is missing goes unseen."""

import json

import pytest

from tests.kernels.catalogue import KERNELS, Kernel, Run
from tests.kernels.results import Booted, as_json, from_json, problems
from tests.kernels.table import HEAD, plain, rows

KERNEL = Kernel("6.1", "linux-image-.*", 2, "Debian 12", runs=(Run("root"), Run("user", user=True, yama=1)))
NOTIFICATION = {"listener": True, "addfd": True, "addfd_send": True, "wait_killable": True, "sync_wake_up": False}
FACTS = {
    "kind": "kernel",
    "release": "6.1.0-56-cloud-amd64",
    "abi": 2,
    "errata": 12,
    "answer": "ok",
    "has_yama": True,
    "notification": NOTIFICATION,
}
MADE = ["mount", "pid", "net", "ipc"]
AROUND_ROOT = {"kind": "namespaces", "run": "root", "made": MADE, "yama": 0}
AROUND_USER = {"kind": "namespaces", "run": "user", "made": ["user", *MADE], "yama": 1}
SURROUNDINGS = AROUND_ROOT, AROUND_USER


def outcome_of(run, name, outcome, text=""):
    return {"kind": "test", "run": run, "id": name, "outcome": outcome, "text": text, "seconds": 0.1}


def told(*lines, ended="off"):
    """A kernel that told these things and ended so."""
    booted = Booted.of(KERNEL, "linux-image-6.1.0-56-cloud-amd64")
    for line in lines:
        booted.hear(json.dumps(line))
    booted.ended = ended
    return booted


def whole(*tests, facts=FACTS, around=()):
    """A kernel where each run had one test that passed, and these."""
    passed = [outcome_of(run.name, "test_one", "passed") for run in KERNEL.runs]
    failed = {test["run"] for test in tests if test["outcome"] == "failed"}
    ends = [{"kind": "run", "run": run.name, "status": int(run.name in failed), "seconds": 1} for run in KERNEL.runs]
    return told(facts, *(around or SURROUNDINGS), *passed, *tests, *ends)


def test_counts():
    """Passed, failed with the report, skipped by reason: each in the run that it belongs to."""
    booted = whole(
        outcome_of("root", "test_two", "failed", "E  assert"),
        outcome_of("user", "test_two", "skipped", "needs: root"),
        outcome_of("user", "test_three", "skipped", "needs: root"),
    )
    root, user = booted.outcomes
    assert (1, {"test_two": "E  assert"}, {}) == (root.passed, root.failed, root.skipped)
    assert (1, {}, {"needs: root": 2}) == (user.passed, user.failed, user.skipped)
    assert (False, True, False) == (root.is_good, user.is_good, booted.is_good)


def test_all_is_well():
    """Where everything passed there is nothing to say."""
    assert (True, []) == (whole().is_good, problems([whole()], (), whole=False))


@pytest.mark.parametrize(
    ("booted", "problem"),
    [
        (told(ended="still running after 9 s"), "6.1: still running after 9 s"),
        (told(FACTS), "6.1, root: did not come to its end"),
        (told(FACTS, {"kind": "run", "run": "root", "status": 0, "seconds": 1}), "6.1, root: no test was run"),
        (whole(facts={**FACTS, "abi": 3}), "6.1: expected Landlock ABI 2, the kernel says 3"),
        (
            whole(around=(AROUND_ROOT, {**AROUND_USER, "yama": None})),
            "6.1, user: expected Yama's scope 1, not None",
        ),
        (
            whole(around=(AROUND_ROOT, {**AROUND_USER, "made": []})),
            "6.1, user: expected the namespaces ['user', 'mount', 'pid', 'net', 'ipc'], not []",
        ),
        (
            whole(outcome_of("root", "test_two", "skipped", "could not import something")),
            "6.1, root: skipped: could not import something",
        ),
    ],
)
def test_a_kernel_that_told_too_little(booted, problem):
    """No facts, no end, no test, other surroundings than those asked for: each is a failure, and named."""
    assert (problem, False) == (problems([booted], (), whole=False)[0], booted.is_good)


def test_pytest_itself_failed():
    """A usage error of pytest's, or a crash, is not a pass."""
    booted = whole()
    booted.outcomes[0].status = 4
    assert ["6.1, root: pytest ended with 4 and told of 0 failures"] == booted.problems


def test_a_failure_that_was_not_heard():
    """A line that was lost on the way, or came garbled, does not make a kernel good."""
    booted = whole()
    booted.outcomes[0].status = 1
    booted.hear('{"kind": "test", "outcome": "fai')
    problems = ["6.1, root: pytest ended with 1 and told of 0 failures", "6.1: 1 lines could not be read"]
    assert (problems, False) == (booted.problems, booted.is_good)


def test_too_few_abis():
    """One ABI proves little; when the caller chose the kernels it is their choice."""
    few = "only 1 distinct Landlock ABIs were seen; at least 3 are needed"
    assert ([few], []) == (problems([whole()], (), whole=True), problems([whole()], (), whole=False))


def test_a_required_kernel_is_missing():
    """Without it the run fails."""
    assert ["7.3: required, and not to be had from Debian's archive"] == problems([whole()], ["7.3"], whole=False)


def test_noise_on_the_port():
    """A line that is not ours is passed over."""
    assert None is whole().hear("[    1.0] a kernel's message")


def test_kept_and_read_again():
    """What is committed is what was seen, without the reports and times."""
    skipped = outcome_of("user", "test_three", "skipped", "needs: root")
    booted = whole(outcome_of("root", "test_two", "failed", "E  assert"), skipped)
    (again,) = from_json(as_json([booted]))
    assert {"test_two": ""} == again.outcomes[0].failed
    assert rows([booted]) == rows([again])


def test_table():
    """A row for each run; the failed cell is red, and no other."""
    booted = whole(outcome_of("user", "test_two", "failed", "E  assert"))
    expected = [
        ("6.1.0-56-cloud-amd64", "2", "0b1100", "root", "0", "without SYNC_WAKE_UP", "mount pid net ipc"),
        ("", "", "", "user", "1", "without SYNC_WAKE_UP", "user mount pid net ipc"),
    ]
    assert expected == [row[:7] for row in rows([booted])]
    assert [("1", "0", "0"), ("1", "1", "0")] == [row[7:] for row in rows([booted])]
    coloured = plain([booted], colour=True).splitlines()
    assert [False, False, True] == ["\033[31m" in line for line in coloured]
    assert len(HEAD) == len(rows([booted])[0])


def test_catalogue():
    """What must be there is: no Landlock in both ways, ABI 2, 6 and the newest; masked those that no package has."""
    required = {kernel.abi for kernel in KERNELS if kernel.required}
    assert {0, 2, 6, 11} == required
    assert set(range(12)) == {kernel.abi for kernel in KERNELS} | {
        run.masked for kernel in KERNELS for run in kernel.runs if run.masked is not None
    }
    scopes = {(run.user, run.yama) for kernel in KERNELS if kernel.required and kernel.abi for run in kernel.runs}
    assert {(user, scope) for user in (False, True) for scope in (0, 1, 2)} == scopes
