"""What the supervisor sees for itself: a process that is as planned, and every way in which one is not."""

import os
from typing import Any

import pytest
from tests.unit.effective.cases import composed
from tests.unit.launch.test_plan import planned

from pyopenshell.errors import LaunchError
from pyopenshell.launch import checks

FIELDS = {
    "Uid": "1000\t1000\t1000\t1000",
    "Gid": "1000\t1000\t1000\t1000",
    "Groups": "1000",
    **dict.fromkeys(("CapInh", "CapPrm", "CapEff", "CapAmb"), "0" * 16),
    "NoNewPrivs": "1",
    "Seccomp": "2",
}
INSIDE = dict.fromkeys(("user", "mount", "pid", "net", "ipc"), 1)
"""Namespaces that are not ours: no inode of one has this number."""


def wrong(fields=None, inside=None):
    """Return the names of the checks that do not hold for a sandbox with all namespaces."""
    found = checks.verify(planned(composed()), FIELDS | (fields or {}), INSIDE | (inside or {}))
    assert 14 == len(found)
    assert all(check["ok"] == (check["expected"] == check["observed"]) for check in found)
    return [check["name"] for check in found if not check["ok"]]


def test_all_is_as_planned():
    """Then every check holds."""
    assert [] == wrong()


@pytest.mark.parametrize(
    ("field", "value", "name"),
    [
        ("Uid", "1000\t1000\t0\t1000", "uid"),
        ("Uid", "0\t0\t0\t0", "uid"),
        ("Gid", "1000\t0\t1000\t1000", "gid"),
        ("Groups", "1000 0", "groups"),
        ("Groups", "", "groups"),
        ("CapInh", "0000000000000001", "CapInh"),
        ("CapPrm", "000001ffffffffff", "CapPrm"),
        ("CapEff", "0000000000200000", "CapEff"),
        ("CapAmb", "0000000000000400", "CapAmb"),
        ("NoNewPrivs", "0", "no_new_privs"),
        ("Seccomp", "0", "seccomp"),
        ("Seccomp", "1", "seccomp"),
    ],
)
def test_a_process_that_is_not(field, value, name):
    """Each deviation is one check that does not hold."""
    assert [name] == wrong({field: value})


@pytest.mark.parametrize(
    ("field", "value", "name"),
    [
        ("Uid", "1000\t0\t1000\t1000", "broker uid"),
        ("Groups", "1000 27", "broker groups"),
        ("CapEff", "0000000000080000", "broker CapEff"),
        ("NoNewPrivs", "0", "broker no_new_privs"),
        ("Seccomp", "0", "broker seccomp"),
    ],
)
def test_a_broker_that_is_not(field, value, name):
    """It stands outside of the sandbox, so all the more must be looked at."""
    plan = planned(composed())
    assert all(check["ok"] for check in checks.broker(plan, FIELDS))
    assert [name] == [check["name"] for check in checks.broker(plan, FIELDS | {field: value}) if not check["ok"]]


@pytest.mark.parametrize("kind", INSIDE)
@pytest.mark.parametrize("seen", ["ours", "unreadable"])
def test_a_namespace_that_is_not(kind, seen):
    """A namespace that is ours, or that cannot be told, is not the sandbox's own."""
    assert [f"{kind} namespace"] == wrong(inside={kind: checks.links("self")[kind] if seen == "ours" else None})


def test_own_status():
    """Fields and credentials are the kernel's: of this process, what the os module says."""
    found = checks.credentials(checks.status(os.getpid()))
    assert (os.geteuid(), os.getegid(), set(os.getgroups())) == (found["uid"], found["gid"], set(found["groups"]))


def test_a_bounding_set_that_another_process_emptied(monkeypatch):
    """It must be empty where init was born with an empty one; where it could not be emptied it is not looked at."""
    parts = ("steps", "rules", "landlock", "seccomp", "canary", "reach", "created", "unbound")
    told: dict[str, Any] = dict.fromkeys(parts)

    def receipt(bounding, *, unbounded):
        monkeypatch.setattr(checks, "status", lambda _pid: FIELDS | {"CapBnd": bounding})
        plan = planned(composed())
        return checks.receipt(plan, told, 1, {**INSIDE}, stem=2, served=None, unbounded=unbounded)

    assert "CapBnd" in [check["name"] for check in receipt("0" * 16, unbounded=False)["supervisor_checks"]]
    assert "CapBnd" not in [check["name"] for check in receipt("1" * 16, unbounded=True)["supervisor_checks"]]
    with pytest.raises(LaunchError, match="CapBnd is 000001ffffffffff"):
        receipt("000001ffffffffff", unbounded=False)
