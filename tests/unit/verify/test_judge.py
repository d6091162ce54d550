"""What an answer means, and what is made of all of them."""

import errno

import pytest

from pyopenshell.errors import OpenShellError
from pyopenshell.launch.probe import UNTRIED
from pyopenshell.verify.attempt import ALLOWED, CLEANUP, DENIED, GRANTS, IDENTITY, Attempt
from pyopenshell.verify.judge import AS_REPORTED, DRIFT, NOT_TELLING, UNKNOWN, Verification, judge


def attempt(expected, group=GRANTS, **more):
    """Return an attempt to read."""
    return Attempt(group, "/data", "/data/file", "read", expected, ("open",), **more)


@pytest.mark.parametrize(
    ("expected", "answer", "result"),
    [
        (ALLOWED, 0, ALLOWED),
        (ALLOWED, errno.EACCES, DRIFT),
        (ALLOWED, errno.EROFS, DRIFT),
        (ALLOWED, errno.EXDEV, DRIFT),
        (ALLOWED, errno.ENOENT, NOT_TELLING),
        (ALLOWED, errno.ENOSPC, NOT_TELLING),
        (ALLOWED, -errno.EACCES, NOT_TELLING),
        (ALLOWED, UNTRIED, UNKNOWN),
        (ALLOWED, errno.EMFILE, UNKNOWN),
        (DENIED, 0, DRIFT),
        (DENIED, errno.EACCES, DENIED),
        (DENIED, errno.EROFS, DENIED),
        (DENIED, errno.ENOENT, DENIED),
        (DENIED, -errno.EACCES, NOT_TELLING),
        (DENIED, errno.ENAMETOOLONG, NOT_TELLING),
        (DENIED, errno.EAGAIN, UNKNOWN),
        (DENIED, UNTRIED, UNKNOWN),
    ],
)
def test_one_answer(expected, answer, result):
    """A pass takes an answer of the kernel's that shows it; whatever was lacking shows nothing."""
    (judged,) = judge([attempt(expected)], [answer])
    assert result == judged.result


def test_errors_that_come_after_the_sandbox_has_allowed_it():
    """They count as done, whichever was expected."""
    passes = {"passes": (errno.ENXIO,)}
    results = [judge([attempt(expected, **passes)], [errno.ENXIO])[0].result for expected in (ALLOWED, DENIED)]
    assert [ALLOWED, DRIFT] == results


def test_a_denial_of_the_filter_must_be_its_own():
    """Another error is the kernel's: then the row is not there."""
    results = [judge([attempt(DENIED, exact=errno.ENOSYS)], [answer])[0].result for answer in (errno.ENOSYS, 1, 0)]
    assert [DENIED, DRIFT, DRIFT] == results


def verification(*answers):
    """Return a verification of attempts of which all were to be allowed."""
    return Verification("demo", "01", judge([attempt(ALLOWED, grant="id")] * len(answers), answers))


@pytest.mark.parametrize(
    ("answers", "verdict", "code"),
    [
        ((0, 0), AS_REPORTED, None),
        ((0, -13), AS_REPORTED, None),
        ((0, UNTRIED), UNKNOWN, "verify.unfinished"),
        ((13, UNTRIED), DRIFT, "verify.drift"),
    ],
)
def test_a_verdict(answers, verdict, code):
    """Drift is the worst, and what could not be tried is no pass either."""
    found = verification(*answers)
    assert verdict == found.verdict
    if code is None:
        found.check()
    else:
        with pytest.raises(OpenShellError) as caught:
            found.check()
        assert code == caught.value.code


def test_findings():
    """One for each drift, High, with its grant, and what the report and the kernel say."""
    (finding,) = verification(0, 13, -13).findings
    assert ("outcome.drift", "High", "id") == (finding.code, finding.severity, finding.grant)
    message = "grants: read /data/file (/data): the report says allowed, the kernel says EACCES, Permission denied"
    assert message == finding.message


def test_what_must_be_so_is_told_in_its_words():
    """There is no yes or no to a uid."""
    tried = attempt(ALLOWED, IDENTITY, words="1000", refusals=(errno.ESTALE,))
    (judged,) = judge([tried], [errno.ESTALE])
    assert "identity and namespaces: /data: the report says 1000, and that is not so" == judged.sentence()


def test_the_documented_shape():
    """Counts add up; cleaning up is no attempt; an errno is there unless nothing was tried."""
    tried = [attempt(ALLOWED), attempt(CLEANUP), attempt(DENIED), attempt(DENIED)]
    shape = Verification("demo", "01", judge(tried, [0, 2, 30, UNTRIED])).as_dict()
    assert {"attempts": 3, "allowed": 1, "denied": 1, "not_telling": 0, "unknown": 1, "drift": 0} == shape["counts"]
    assert [0, 30, None] == [one["errno"] for one in shape["attempts"]]
    assert ["done", "read-only (EROFS)", "could not be tried"] == [one["observed"] for one in shape["attempts"]]


def test_no_landlock_is_not_kept_quiet():
    """Everything may be as reported, and the report that no path is closed: then this says so too."""
    found = Verification("demo", "01", (), unconfined=True)
    assert found.summary.startswith("no path is closed, for want of Landlock, 0 attempts")
    assert found.as_dict()["unconfined"]
    assert not Verification("demo", "01", ()).as_dict()["unconfined"]
