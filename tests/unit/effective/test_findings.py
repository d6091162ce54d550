"""What the host lacks, said right by right and kind by kind; and network policies, denied and listed."""

import pytest

from pyopenshell.baseline.model import Proposal
from pyopenshell.effective.model import Dropped, Identity, Isolation, LandlockReport
from pyopenshell.effective.why import why
from pyopenshell.policy.access import READ_ONLY, READ_WRITE
from tests.unit.effective.cases import ISOLATED, World, codes, composed, findings


def report(*gaps, abi=2):
    return LandlockReport("best_effort", abi, ("read_file",), gaps)


def test_a_right_the_kernel_lacks():
    """The kernel, its ABI, the right's ABI and the consequence."""
    effective = composed(landlock=report(Dropped("ioctl_dev", 5, "Every ioctl is allowed.")))
    (finding,) = findings(effective, "landlock.right-missing")
    assert "Medium" == finding.severity
    for word in ("6.18.44", "2 is in use", "ioctl_dev needs Landlock ABI 5", "Every ioctl is allowed."):
        assert word in finding.message


def test_a_right_that_another_mechanism_replaces():
    """Not weaker, but told."""
    effective = composed(landlock=report(Dropped("truncate", 3, "x", "the syscall filter denies truncation")))
    (finding,) = findings(effective, "landlock.right-replaced")
    assert ("Informational", True) == (finding.severity, "the syscall filter denies truncation" in finding.message)
    assert not findings(effective, "landlock.right-missing")


def test_no_landlock_at_all():
    """One High finding, not one for each right."""
    effective = composed(landlock=report(Dropped("execute", 1, "x"), Dropped("truncate", 3, "x"), abi=0))
    assert ["High"] == [finding.severity for finding in effective.findings if finding.code.startswith("landlock.")]


@pytest.mark.parametrize(
    ("kind", "severity"),
    [("pid", "Medium"), ("net", "Medium"), ("user", "Informational"), ("pathname_sockets", "High"), ("new", "Medium")],
)
def test_what_is_not_kept_apart(kind, severity):
    """A finding for each open kind, none for the others."""
    isolation = {name: Isolation("private", "x") for name in ISOLATED} | {kind: Isolation("open", "none")}
    (finding,) = composed(isolation=isolation).findings
    assert (f"isolation.{kind.replace('_', '-')}-open", severity) == (finding.code, finding.severity)


def test_reachable_sockets_are_listed():
    """The finding names what can be connected to."""
    isolation = ISOLATED | {"pathname_sockets": Isolation("open", "none")}
    sockets = ("/run/docker.sock", "/run/user/1000/bus")
    (finding,) = findings(composed(isolation=isolation, reachable_sockets=sockets), "isolation.pathname-sockets-open")
    assert all(socket in finding.message for socket in sockets)


def keys_in_reach(*, mount=False, source="caller", **fields):
    """What is said of a sandbox that may read a home folder, on a host with or without mount namespaces."""
    isolation = ISOLATED if mount else ISOLATED | {"mount": Isolation("open", "none")}
    identity = Identity(1000, 1000, (1000,), source)
    return findings(composed(isolation=isolation, identity=identity, **fields), "openshell.readable")


def test_keys_that_can_be_read():
    """Without a mount namespace a grant that encloses the folders of our keys opens them to the caller's own uid."""
    found = keys_in_reach(read_only=["/home/me"])
    assert {("High", "declared/read_only:/home/me")} == {(one.severity, one.grant) for one in found}
    assert 2 == len(found)
    assert not keys_in_reach(read_only=["/home/me"], mount=True)
    assert not keys_in_reach(read_only=["/home/me"], source="owner of the working directory")
    assert not keys_in_reach(read_only=["/usr"])


def test_network_policies_are_denied_and_listed():
    """An entry for each endpoint, skipped; a finding for each policy, with its line."""
    effective = composed(network=["pypi", "git"])
    entries = [(entry.name, entry.endpoint, entry.status) for entry in effective.network.entries]
    assert [("pypi", "pypi.example:443", "skipped"), ("git", "git.example:443", "skipped")] == entries
    found = findings(effective, "network.denied")
    assert ["Low", "Low"] == [finding.severity for finding in found]
    assert "line 210" in found[0].message
    assert ("none", "network namespace") == (effective.network.mode, effective.network.mechanism)


def test_a_good_host_and_a_plain_policy_have_no_findings():
    """Silence means that nothing is weaker than asked."""
    assert set() == codes(composed(read_only=["/data"], include_workdir=True))


def test_a_read_only_folder_in_a_private_one_is_told():
    """Its FIFOs and devices can be written: the rule on the private folder counts there too."""
    world = World(folders=["/tmp/env", "/home/me/project"])
    proposals = (
        Proposal("process", "/tmp", READ_WRITE, "private", private=True),
        Proposal("command", "/tmp/env", READ_ONLY, "environment"),
    )
    effective = composed(proposals=proposals, resolve=world.resolve)
    (finding,) = findings(effective, "private.special-files")
    assert ("Low", "baseline/command:/tmp/env") == (finding.severity, finding.grant)


@pytest.mark.parametrize(("path", "told"), [("/proc/self", True), ("/proc/thread-self/comm", True), ("/proc", False)])
def test_a_path_that_is_everybodys_own_is_told(path, told):
    """A rule on /proc/self is about one process; who declared it is told that the program gets nothing."""
    proc = World(folders=("/proc/self", "/proc/thread-self"), files=("/proc/thread-self/comm",))
    effective = composed(read_only=[path], resolve=proc.resolve)
    assert told is ("declared.own-proc" in codes(effective))


def test_nobody_is_advised_to_declare_it():
    """Why says that no path in a policy gives it."""
    proc = World(folders=("/proc/self",), files=("/proc/self/mem",))
    answer = why(composed(resolve=proc.resolve), "/proc/self/mem", "write", proc.resolve, 0)
    assert (False, True) == (answer.allowed, "no path in a policy" in (answer.advice or ""))
