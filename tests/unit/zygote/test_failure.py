"""Errors on their way from the zygote: raised as if the work had been done here."""

import inspect
import marshal

import pytest

from pyopenshell import errors
from pyopenshell.zygote import failure

WITH_RESULT = (errors.CommandFailed, errors.CommandTimeout)
"""What the owner itself finds out: their results are its own."""
KINDS = [
    kind
    for kind in vars(errors).values()
    if inspect.isclass(kind) and issubclass(kind, errors.OpenShellError) and kind not in WITH_RESULT
]


def made(kind):
    """An error of this kind, with everything that it can say."""
    if kind is errors.PolicyError:
        problems = [errors.Problem("one", 1, 2, "a.b", "do this"), errors.Problem("two")]
        return kind(problems, file="policy.yaml", code="policy.special")
    if kind is errors.LaunchError:
        error = kind("it failed", step="mounts", errno=13, hint="look")
        error.code = "launch.special"
        return error
    error = kind("it failed", hint="do this", code="a.code", file="policy.yaml", line=3, column=4)
    error.exit_code = 99
    return error


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_error_comes_back(kind):
    """Of its class, with its code, hint, place and exit code; what is shown and printed is the same."""
    error = made(kind)
    found = failure.unpack(marshal.loads(marshal.dumps(failure.pack(error))))
    assert type(error) is type(found)
    assert vars(error) == vars(found)
    assert (str(error), error.exit_code) == (str(found), found.exit_code)
    assert (error.as_dict(), error.lines()) == (found.as_dict(), found.lines())


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_what_is_left_out_stays_so(kind):
    """An error that says no more than it must."""
    extra = {"step": "receipt"} if kind is errors.LaunchError else {}
    error = kind([errors.Problem("one")] if kind is errors.PolicyError else "it failed", **extra)
    found = failure.unpack(failure.pack(error))
    assert type(error) is type(found)
    assert {**vars(error), "exit_code": error.exit_code} == {**vars(found), "exit_code": found.exit_code}


@pytest.mark.parametrize("error", [ZeroDivisionError("by zero"), KeyError("x"), MemoryError(), OSError(13, "no")])
def test_a_defect_says_that_it_is_one(error):
    """What is not ours has no class there, and asks to be reported."""
    found = failure.unpack(failure.pack(error))
    assert (errors.OpenShellError, "internal") == (type(found), found.code)
    assert type(error).__name__ in found.message
    assert "report" in (found.hint or "")
