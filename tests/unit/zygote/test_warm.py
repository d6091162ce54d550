"""Plans that are kept: for whom, how many, and until when."""

import ast
from typing import Any

import pytest

from pyopenshell.audit import context
from pyopenshell.zygote import stamp, warm
from tests.unit.zygote import plans

ASKED: dict[str, Any] = {
    "request": {"name": "one", "workdir": "/w", "gpu": None, "env": ("A=b",)},
    "policy": ("/p", "version: 1"),
    "environ": {"PATH": "/bin", "HOME": "/root"},
    "cwd": "/",
}


class Kept:
    """Something that holds, or not, and is to be kept, or not."""

    def __init__(self, *, is_lasting):
        self.is_lasting = is_lasting
        self.holds = True


def plan(*, is_lasting: bool = False) -> Any:
    """Return it."""
    return Kept(is_lasting=is_lasting)


def test_a_name_is_no_part_of_what_is_asked(workdir):
    """All else is: environment, folder, policy, limits. What is equal is so however it came about."""
    one = warm.key(ASKED, ())
    assert one == warm.key({**ASKED, "request": {**ASKED["request"], "name": "two"}}, ())
    assert one == warm.key(ast.literal_eval(repr(ASKED)), ())
    for changed in (
        {"environ": {"PATH": "/bin"}},
        {"cwd": "/tmp"},
        {"policy": None},
        {"policy": ("/p", "version: 1 ")},
        {"request": {**ASKED["request"], "gpu": 0}},
        {"request": {**ASKED["request"], "env": ()}},
    ):
        assert one != warm.key({**ASKED, **changed}, ())
    assert one != warm.key(ASKED, ((7, (1, 2)),))


def test_what_holds_is_found():
    """What does not any more is forgotten; what was for one sandbox only was never kept."""
    kept, once = plan(is_lasting=True), plan()
    warmed = warm.Warmed()
    warmed.keep(b"k", kept)
    warmed.keep(b"o", once)
    assert (kept, None, None) == (warmed.find(b"k"), warmed.find(b"o"), warmed.find(b"x"))
    kept.holds = False
    assert warmed.find(b"k") is None
    kept.holds = True
    assert warmed.find(b"k") is None


def test_what_failed_is_dropped():
    """Under all that asked for it, and nothing else."""
    bad, good = plan(is_lasting=True), plan(is_lasting=True)
    warmed = warm.Warmed()
    for key, one in ((b"a", bad), (b"b", good), (b"c", bad)):
        warmed.keep(key, one)
    warmed.drop(bad)
    assert (None, good, None) == tuple(warmed.find(key) for key in (b"a", b"b", b"c"))


def test_only_so_many_are_kept():
    """The one that was kept first goes first."""
    warmed = warm.Warmed()
    every = [plan(is_lasting=True) for _ in range(warm.MOST + 1)]
    for number, one in enumerate(every):
        warmed.keep(bytes([number]), one)
    assert warmed.find(b"\0") is None
    assert every[1:] == [warmed.find(bytes([number])) for number in range(1, len(every))]


@pytest.fixture
def made(workdir):
    """A plan as it is kept."""
    planned = plans.planned(workdir)
    return warm.Warm(planned, stamp.take(planned), limits=())


def test_a_plan_holds_as_long_as_its_stamp(made, workdir):
    """Not where it was for one sandbox, either."""
    assert made.is_lasting == made.holds
    workdir.chmod(0o777)
    assert not made.holds


def test_a_mold_is_made_once_for_receipts_alike(made):
    """And anew for one that is not."""
    here = context.here("", "")
    one = made.mold(plans.receipt(made.planned), here)
    assert made.mold(plans.receipt(made.planned, namespaces={"pid": 1}), here) is one
    assert made.mold(plans.unreadable(made.planned), here) is not one
