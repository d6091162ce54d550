"""Limits in an effective policy: asked for, settled, stored, read back and compared."""

import json

import pytest

from pyopenshell.effective import saved
from pyopenshell.effective.canonical import canonical_bytes
from pyopenshell.effective.diff import compare
from pyopenshell.effective.limits import Limit, asked, in_words, settled
from pyopenshell.effective.load import from_dict
from pyopenshell.errors import UsageError
from tests.unit.effective.cases import composed

WANTED = asked(0.5, 1 << 30, 100)
HAD = tuple(limit.replace(actual=limit.requested, mechanism="cgroup v2", status="enforced") for limit in WANTED)
WITHOUT = (*HAD[:1], WANTED[1].replace(status="skipped", detail="no memory controller is mounted here"), *HAD[2:])


def test_what_is_asked_for():
    """Whole numbers of what each is counted in; what is not asked for is not there."""
    assert (500, 1 << 30, 100) == tuple(limit.requested for limit in WANTED)
    assert ("millicpu", "bytes", "processes") == tuple(limit.unit for limit in WANTED)
    assert () == asked(None, None, None)
    assert ["memory"] == [limit.name for limit in asked(None, 1 << 20, None)]


@pytest.mark.parametrize(
    ("cpu", "memory", "pids"),
    [
        *((value, None, None) for value in (0, -1, 0.001, 1001, float("nan"), float("inf"))),
        *((None, value, None) for value in (0, -1, 1000, 1 << 53)),
        *((None, None, value) for value in (0, -1, 3, (1 << 22) + 1)),
    ],
)
def test_what_cannot_be_kept(cpu, memory, pids):
    """It is refused with the range that can be, before anything is planned."""
    with pytest.raises(UsageError) as raised:
        asked(cpu, memory, pids)
    assert "limits.range" == raised.value.code
    assert "between" in str(raised.value.hint)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("cpu", 1500, "1.5 CPUs"),
        ("cpu", 1000, "1 CPU"),
        ("memory", 512 << 20, "512 MiB"),
        ("memory", 1 << 40, "1 TiB"),
        ("memory", 1000, "1000 bytes"),
        ("pids", 4, "4 processes"),
    ],
)
def test_in_words(name, value, words):
    """As people write them."""
    assert words == in_words(name, value)


def test_what_becomes_of_them_is_no_part_of_the_plan():
    """The digest is about what was asked for; one that could not be had is a Medium finding."""
    planned = composed(limits=WANTED)
    after = settled(planned, WITHOUT)
    assert planned.digest == after.digest
    assert composed().digest != planned.digest != composed(limits=asked(0.5, 1 << 30, 101)).digest
    (found,) = [one for one in after.findings if one.code == "outcome.limit"]
    assert "Medium" == found.severity
    assert "memory is not limited to 1 GiB: no memory controller is mounted here" == found.message
    assert planned.findings == settled(planned, HAD).findings


def test_stored_and_read_back():
    """The shape holds all of it, and has no such part in a sandbox without limits."""
    effective = settled(composed(limits=WANTED), WITHOUT)
    shape = json.loads(canonical_bytes(effective.as_dict()))
    assert WITHOUT == from_dict(shape).limits
    assert effective.as_dict() == saved.load(shape, "here").as_dict()
    assert "limits" not in composed().as_dict()


def differences(a, b):
    """Return direction and sides of what differs in the limits, by their name."""
    found = compare(*(settled(composed(limits=WANTED if side else ()), side) for side in (a, b)))
    return {one.subject: (one.direction, one.a, one.b) for one in found if one.kind in ("limit", "finding")}


def test_compared():
    """Less of something is tighter, more is looser, and one that could not be had limits nothing."""
    assert {} == differences(HAD, HAD)
    one, other = ({"limit": "1 GiB", "status": status} for status in ("enforced", "skipped"))
    gone = ({"status": one["status"]}, {"status": other["status"]})
    assert {"memory": ("looser", *gone)} == differences(HAD, WITHOUT)
    assert {"memory": ("tighter", *gone[::-1])} == differences(WITHOUT, HAD)
    less = (Limit("cpu", 200, "millicpu", 200, "cgroup v2", "enforced"), *HAD[1:])
    assert {"cpu": ("tighter", {"limit": "0.5 CPUs"}, {"limit": "0.2 CPUs"})} == differences(HAD, less)
    assert {"looser"} == {direction for direction, _, _ in differences(HAD, ()).values()}
