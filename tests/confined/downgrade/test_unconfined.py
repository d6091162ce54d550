"""A kernel without Landlock: nothing runs unless it is asked for, and every verb says what there is not.

On a kernel that has Landlock a filter around the command answers as one without it.
"""

from __future__ import annotations

import errno
import json
import subprocess
import sys

import pytest

from pyopenshell.kernel import landlock
from tests.confined.downgrade.conftest import places
from tests.confined.landlock import harness
from tests.confined.launch import world

pytestmark = [] if harness.KERNEL_ABI else [pytest.mark.kernels]

SAID = {
    errno.ENOSYS: ("this kernel has no Landlock (ENOSYS)", "Linux 5.13 or newer with CONFIG_SECURITY_LANDLOCK"),
    errno.EOPNOTSUPP: ("it was not switched on at boot (EOPNOTSUPP)", "add landlock to the kernel's lsm= parameter"),
}
"""By the kernel's answer: the cause, and what to do."""
HIGH = "no path is closed by this sandbox"
READ = 'answer["passwd"] = attempt(lambda: open("/etc/hostname").read()); answer["root"] = attempt(os.listdir, "/")'


@pytest.fixture(scope="module")
def here(state_folder):
    """Folders, and the command where there is no Landlock."""
    with places(state_folder, "namespaces") as found:
        if harness.KERNEL_ABI:
            found.sandbox.world = ("landlock_create_ruleset=ENOSYS",)
        yield found


@pytest.fixture(scope="module")
def bare(here):
    """A run that was asked to go on without, and what it printed on stderr."""
    program = (world.PYTHON, "-I", "-S", "-c", world._PROBE.replace("CODE", READ), "{}")
    done = here.sandbox.run("-n", "bare", "--unsafe-unconfined", "--", *program)
    assert 0 == done.returncode, done.stderr
    assert {"passwd": "ok", "root": "ok"} == json.loads(done.stdout)
    return done.stderr


def verb(here, *words):
    """Run another verb in the same world."""
    around = [sys.executable, "-c", world._FILTER, *here.sandbox.world, "--"] if here.sandbox.world else []
    return subprocess.run(
        [*around, *world.COMMAND, *words],
        cwd=here.sandbox.workdir,
        env=here.sandbox.environment,
        timeout=world.SECONDS,
        capture_output=True,
        text=True,
        check=False,
    )


def said():
    """Return cause and remedy as this kernel makes them be told."""
    return SAID[errno.ENOSYS if harness.KERNEL_ABI else harness.errno_of(landlock.abi)]


def test_run_refuses(here):
    """Exit code 125, the cause and what to do about this very one; nothing was started."""
    marker = here.granted / "started"
    done = here.sandbox.run("-o", "json", "--", "touch", marker)
    assert (125, "", False) == (done.returncode, done.stdout, marker.exists())
    error = json.loads(done.stderr)["error"]
    cause, remedy = said()
    assert ("kernel.no-landlock", True, True) == (error["code"], cause in error["message"], remedy in error["hint"])


def test_doctor_fails(here):
    """It says that no sandbox works, why, and what to do."""
    done = verb(here, "doctor", "-o", "json")
    assert (1, "") == (done.returncode, done.stderr)
    found = json.loads(done.stdout)
    (row,) = [check for check in found["checks"] if check["name"] == "landlock"]
    cause, remedy = said()
    assert (False, "fail", True, True) == (
        found["works"],
        row["status"],
        cause in row["evidence"],
        remedy in row["hint"],
    )


def test_on_request_it_is_high_everywhere(here, bare):
    """On stderr, in the record and in each verb that shows it; no grant and no rule pretends to be in force."""
    cause, remedy = said()
    assert f"{cause}: {HIGH}" in bare
    assert remedy in bare
    assert "openshell: high: " in bare
    record = here.sandbox.record("bare")
    finding = record.findings["landlock.unconfined"]
    assert ("High", True, True) == (finding["severity"], HIGH in finding["message"], remedy in finding["hint"])
    assert {"skipped"} == {grant["status"] for grant in record.effective["grants"]}
    assert not any(grant["actual"] for grant in record.effective["grants"])
    (step,) = [step for step in record.receipt["steps"] if step["name"] == "landlock"]
    assert ([], True) == (record.receipt["rules"], step["result"].startswith("UNCONFINED"))


def test_no_right_is_said_to_be_replaced_by_landlock(here, bare):
    """Without Landlock every right is missing, and nothing of it stands in for another."""
    gaps = {
        entry["right"]: entry["covered_by"] for entry in here.sandbox.record("bare").effective["landlock"]["dropped"]
    }
    assert (None, None, None) == (gaps["refer"], gaps["write_file"], gaps["ioctl_dev"])
    assert "seccomp filter" in gaps["truncate"]
    assert [] == here.sandbox.record("bare").effective["landlock"]["handled"]


@pytest.mark.parametrize("words", [("policy", "get", "bare", "--full"), ("sandbox", "inspect", "bare")])
def test_what_shows_it_says_so(here, bare, words):
    """The finding, as text: in a terminal nobody looks for it."""
    done = verb(here, *words)
    told = " ".join(done.stdout.split())
    assert HIGH in told
    assert "High" in told


def test_why(here, bare):
    """Of the sandbox: allowed, for want of Landlock. Of a policy: nothing could be enforced, so no answer pretends."""
    enforced = verb(here, "why", "/etc/hostname", "--name", "bare")
    assert (0, True) == (enforced.returncode, "no Landlock: only file modes restrict read_file" in enforced.stdout)
    planned = verb(here, "why", "/etc/hostname")
    assert (4, "", True) == (planned.returncode, planned.stdout, said()[0] in planned.stderr)


def test_hard_requirement_wins(here):
    """A policy that insists is not run unconfined, whatever the option says."""
    done = here.sandbox.run("-o", "json", "--unsafe-unconfined", "--", "true", policy={"version": 1, **world.HARD})
    assert (125, "") == (done.returncode, done.stdout)
    error = json.loads(done.stderr)["error"]
    assert ("policy.hard-requirement", True) == (error["code"], said()[0] in error["message"])
