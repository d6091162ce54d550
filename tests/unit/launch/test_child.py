"""Where the child's two descriptors go, whatever numbers they came with."""

import itertools
import os
import warnings

import pytest

from pyopenshell.launch import child


def placed(control, plan):
    """Have both in files of these numbers, place them, and return what is then at the numbers they belong to."""
    for number, name in ((control + 20, b"control"), (plan + 20, b"plan")):
        fd = os.memfd_create("test")
        os.write(fd, name)
        os.dup2(fd, number)
    os.dup2(control + 20, control)
    os.dup2(plan + 20, plan)
    child._place(control, plan)
    return os.pread(child.CONTROL, 10, 0), os.pread(child.PLAN, 10, 0)


@pytest.mark.parametrize(("control", "plan"), list(itertools.permutations((3, 4, 5, 9), 2)))
def test_descriptors_may_have_each_others_number(control, plan):
    """The control socket and the plan end up at their own numbers, each with its own content."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the test runner's own threads: the child starts none
        pid = os.fork()
    if pid == 0:  # it overwrites descriptors of the test runner, so it has only its exit status to answer with
        try:
            os._exit(0 if placed(control, plan) == (b"control", b"plan") else 1)
        finally:
            os._exit(2)
    assert 0 == os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
