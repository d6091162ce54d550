"""Where the child's own descriptors go, whatever numbers they came with."""

import itertools
import os
import warnings

import pytest

from pyopenshell.launch import stem
from pyopenshell.launch.steps import CONTROL, REPORTS

NAMES = (b"control", b"reports")


def placed(numbers):
    """Have files of these numbers, place them, and return what is then at the numbers they belong to."""
    for number, name in zip(numbers, NAMES, strict=False):
        fd = os.memfd_create("test")
        os.write(fd, name)
        os.dup2(fd, number + 20)
    for number in numbers:
        os.dup2(number + 20, number)
    stem.place(list(numbers))
    return [os.pread(place, 10, 0) for place in (CONTROL, REPORTS)[: len(numbers)]]


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("numbers", list(itertools.permutations((3, 4, 5, 9), 2)))
def test_descriptors_may_have_each_others_number(numbers, count):
    """The control socket and the broker's reports end up at their own numbers, each with its own content."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the test runner's own threads: the child starts none
        pid = os.fork()
    if pid == 0:  # it overwrites descriptors of the test runner, so it has only its exit status to answer with
        try:
            os._exit(0 if placed(numbers[:count]) == list(NAMES[:count]) else 1)
        finally:
            os._exit(2)
    assert 0 == os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_they_belong_behind_the_standard_streams():
    """What is kept open is 0 to 2 and these, in this order."""
    assert (3, 4) == (CONTROL, REPORTS)
