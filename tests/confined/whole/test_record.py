"""What a run leaves: whole while it runs, for other processes too, and in agreement with what the kernel accepted."""

import os

import pytest

from tests.confined.landlock.harness import needs_landlock
from tests.confined.launch import world
from tests.confined.whole import callers

pytestmark = needs_landlock

WAITING = ("sh", "-c", "echo ready; read line")


def inside(anyone, *options, **settings):
    """Start a program that prints a line and waits for one."""
    return anyone.start("-q", "-n", "live", *options, "--", *WAITING, **settings)


def test_readable_while_it_runs(anyone):
    """Effective policy and receipt are there before the program's first word, whole, and the same on every surface."""
    with inside(anyone) as process:
        assert "ready" == world.read_line(process)
        record = anyone.record("live")
        full = callers.shown(callers.verb(anyone, "policy", "get", "live", "--full", "-o", "json"))
        told = callers.shown(callers.verb(anyone, "sandbox", "inspect", "live", "-o", "json"))
        assert record.effective == full == told["effective"]
        assert record.receipt == told["receipt"]
        assert ("running", "running", None) == (full["sandbox"]["state"], told["sandbox"]["state"], told["exit"])
        assert not (record.path / "exit.json").exists()
        process.communicate("\n", timeout=world.SECONDS)
    told = callers.shown(callers.verb(anyone, "sandbox", "inspect", "live", "-o", "json"))
    assert ("exited", "exited", 0) == (
        told["sandbox"]["state"],
        told["effective"]["sandbox"]["state"],
        told["exit"]["code"],
    )


@pytest.mark.parametrize("kind", world.WORLDS)
@pytest.mark.parametrize("gpu", [(), ("--gpu", "0")])
def test_report_and_kernel_agree(anyone, kind, gpu):
    """One digest; every rule has a grant that asked for no less; every enforced or blocked grant has its rule."""
    anyone.world = world.WORLDS[kind]
    (anyone.workdir / "read").mkdir()
    policy = world.policy((anyone.workdir / "read", "/missing"), (anyone.workdir / "new",), workdir=False)
    done = anyone.run("-n", "agree", *gpu, "--", "true", policy=policy)
    assert 0 == done.returncode, done.stderr
    record = anyone.record("agree")
    effective, receipt = record.effective, record.receipt
    assert effective["digest"] == receipt["effective_digest"]
    assert all(check["ok"] for check in receipt["supervisor_checks"])
    grants = {grant["id"]: grant for grant in effective["grants"]}
    assert len(grants) == len(effective["grants"])
    rules = {rule["grant"]: rule for rule in receipt["rules"]}
    assert len(rules) == len(receipt["rules"])
    for identifier, rule in rules.items():
        assert set(rule["actual"]) <= set(rule["requested"]) <= set(grants[identifier]["access"])
    for identifier, grant in grants.items():
        assert grant["status"] in ("enforced", "covered", "skipped", "blocked")
        if grant["mechanism"] == "broker":
            assert ("enforced", [identifier]) == (grant["status"], receipt["broker"]["grants"])
        elif grant["status"] in ("enforced", "blocked"):
            assert grant["actual"] == rules[identifier]["actual"] != []
            assert rules[identifier]["ino"] > 0
        elif grant["status"] == "covered":
            assert grants[grant["detail"]["covered_by"]]["status"] in ("enforced", "blocked")
        else:
            assert [] == grant["actual"]
    assert {"enforced", "skipped"} <= {grant["status"] for grant in grants.values()}


def test_a_record_is_its_owners_alone(anyone):
    """Folders are 0700 and files 0600, whatever the caller's umask; names of variables are kept, values never."""
    anyone.environment["CUDA_TEST"] = "a-value-that-must-not-be-kept"
    done = anyone.run("-q", "-n", "private", "--", "true", umask=0)
    assert 0 == done.returncode, done.stderr
    for place, folders, files in os.walk(anyone.state / "openshell"):
        assert 0o700 == os.stat(place).st_mode & 0o777, place
        for name in (*folders, *files):
            path = os.path.join(place, name)
            assert os.path.islink(path) or 0 == os.stat(path).st_mode & 0o077, path
            if name in files and not os.path.islink(path):
                with open(path, encoding="utf-8") as file:
                    assert anyone.environment["CUDA_TEST"] not in file.read(), path
    assert "CUDA_TEST" in anyone.record("private").meta["environment"]


def test_a_launch_that_fails_leaves_word(anyone):
    """What was planned and why nothing was started are in the record, which says that it ended."""
    anyone.world = ("chdir=EPERM",)
    error = callers.refused(anyone, "-n", "failed")
    assert ("launch.failed", True) == (error["code"], "step 'working directory'" in error["message"])
    record = anyone.record("failed")
    assert (125, error["message"]) == (record.exit["code"], record.exit["error"]["message"])
    assert "failed" == record.effective["sandbox"]["state"]
    assert not (record.path / "receipt.json").exists()
    told = callers.shown(callers.verb(anyone, "sandbox", "inspect", "failed", "-o", "json"))
    assert "exited" == told["sandbox"]["state"]
