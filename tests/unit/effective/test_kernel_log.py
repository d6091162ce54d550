"""What the kernel logs of the denials: in the report, in its digest, and read back from older records without it."""

import errno

import pytest

from pyopenshell.effective.load import from_dict
from pyopenshell.effective.model import KernelLog, LandlockReport
from pyopenshell.effective.settle import settle
from tests.unit.effective.cases import composed

DENIALS = ("same_exec_off", "new_exec_on")


def logging(log, **policy):
    """Compose a policy on a host whose report says this of the log."""
    return composed(landlock=LandlockReport("best_effort", 11, ("read_file",), (), log), **policy)


@pytest.mark.parametrize(
    ("log", "policy", "expected"),
    [
        (None, {}, None),
        (KernelLog("denials", DENIALS), {}, None),
        (KernelLog("denials", DENIALS, ("/root",)), {"kernel_log_quiet": ("/root",)}, None),
        (KernelLog("denials", DENIALS), {"kernel_log_quiet": ("/root",)}, ("landlock.quiet-missing", "Low")),
        (KernelLog("missing"), {}, ("landlock.log-missing", "Informational")),
        (KernelLog("missing"), {"kernel_log_quiet": ("/root",)}, ("landlock.log-missing", "Informational")),
        (KernelLog("missing"), {"kernel_log": "off"}, None),
    ],
)
def test_what_a_kernel_lacks_is_a_finding(log, policy, expected):
    """Nothing that was asked for is silently left out; what was not asked for is not missed."""
    found = [(one.code, one.severity) for one in logging(log, **policy).findings if one.code.startswith("landlock.")]
    assert ([] if expected is None else [expected]) == found


@pytest.mark.parametrize("log", [None, KernelLog("denials", DENIALS, ("/root", "/etc/shadow"))])
def test_read_back(log):
    """What is stored is what is read; a record from before has no such key, and its digest holds."""
    effective = logging(log)
    shape = effective.as_dict()
    assert (log is not None) == ("log" in shape["landlock"])
    assert log == from_dict(shape).landlock.log


def test_the_digest_covers_it():
    """Whoever changes what is logged, or leaves a path out, has another plan."""
    logs = (KernelLog("off"), KernelLog("denials", DENIALS), KernelLog("denials", DENIALS, ("/root",)))
    assert len(logs) == len({logging(log).digest for log in logs})


def test_a_path_that_could_not_be_hushed():
    """It is a finding about the outcome, which is no part of the plan; the others say nothing."""
    effective = logging(KernelLog("denials", DENIALS, ("/root", "/gone")))
    quiet = [{"path": "/root", "errno": 0}, {"path": "/gone", "errno": errno.ENOENT}]
    result = settle(effective, {}, quiet=quiet)
    (found,) = [finding for finding in result.findings if finding.code == "outcome.quiet"]
    assert ("Low", True, False) == (found.severity, "/gone" in found.message, "/root" in found.message)
    assert effective.digest == result.digest
