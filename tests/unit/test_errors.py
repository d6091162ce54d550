"""The exception tree: what all errors have in common."""

import pickle

import pytest

from pyopenshell import errors


def every(kind):
    """The class and all beneath it."""
    return [kind, *(one for beneath in kind.__subclasses__() for one in every(beneath))]


def made(kind):
    """An error of this class, with what its constructor wants."""
    if kind is errors.PolicyError:
        return kind([errors.Problem("wrong", 3, 4, "a.b", "do right")], file="policy.yaml")
    if kind is errors.LaunchError:
        return kind("it failed", step="mounts", errno=13, hint="look")
    if kind in (errors.CommandFailed, errors.CommandTimeout):
        return kind("it failed", result=("a", "result"), hint="look")
    return kind("it failed", code="some.code", hint="look", file="policy.yaml", line=1, column=2)


@pytest.mark.parametrize("kind", [kind for kind in every(errors.OpenShellError) if kind.__module__ == errors.__name__])
def test_errors_can_be_pickled(kind):
    """Whole: pools of processes hand them on, and break where that fails."""
    error = made(kind)
    error.exit_code = 99
    copy = pickle.loads(pickle.dumps(error))
    assert (type(error), str(error), error.args, vars(error)) == (type(copy), str(copy), copy.args, vars(copy))
    assert error.lines() == copy.lines()


def test_a_timeout_is_one_of_pythons_too():
    """Who waits for several things catches one class."""
    assert issubclass(errors.CommandTimeout, TimeoutError)
