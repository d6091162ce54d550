"""Grants that differ are judged by what all grants give on their paths."""

import pytest

from pyopenshell.effective.diff import compare
from pyopenshell.effective.difference import LOOSER, OTHER, TIGHTER
from pyopenshell.effective.model import (
    Origin,
)
from pyopenshell.effective.settle import DENIED
from pyopenshell.policy.access import READ_ONLY, READ_WRITE
from tests.unit.effective.cases import GPUS, ISOLATED, composed
from tests.unit.effective.diff_cases import (
    BASE,
    HIDDEN,
    declared,
    report,
    told,
    with_grants,
)

TABLE = {
    "one path more": (with_grants(), with_grants(declared("/a")), [(LOOSER, "grant", "/a")]),
    "one path more that is not there": (
        with_grants(),
        with_grants(declared("/a", status="skipped", errno=2)),
        [(OTHER, "grant", "/a")],
    ),
    "one that another gives already": (
        with_grants(declared("/")),
        with_grants(declared("/"), declared("/a")),
        [(OTHER, "grant", "/a")],
    ),
    "one in a private mount that a folder above seems to give": (
        with_grants(declared("/")).replace(isolation={**ISOLATED, "mount": HIDDEN}),
        with_grants(declared("/"), declared("/run/x"), declared("/tmp/y")).replace(
            isolation={**ISOLATED, "mount": HIDDEN}
        ),
        [(LOOSER, "grant", "/run/x"), (LOOSER, "grant", "/tmp/y")],
    ),
    "less within what is given": (
        with_grants(declared("/"), declared("/a", "read_write")),
        with_grants(declared("/")),
        [(TIGHTER, "grant", "/a")],
    ),
    "read-only to read-write": (
        with_grants(declared("/a")),
        with_grants(declared("/a", "read_write")),
        [(LOOSER, "grant", "/a")],
    ),
    "some rights for others": (
        with_grants(declared("/a", "read_write", rights=("read_file",))),
        with_grants(declared("/a", "read_write", rights=("write_file",))),
        [(OTHER, "grant", "/a")],
    ),
    "not there any more": (
        with_grants(declared("/a")),
        with_grants(declared("/a", status="skipped", errno=2)),
        [(TIGHTER, "grant", "/a")],
    ),
    "denied by file modes": (
        with_grants(declared("/a")),
        with_grants(declared("/a", status="blocked", errno=13)),
        [(TIGHTER, "grant", "/a")],
    ),
    "one that only names what another one gives": (
        with_grants(),
        with_grants(declared("/a"), declared("/a", "read_write", rights=READ_ONLY, status="covered", covered_by="x")),
        [(LOOSER, "grant", "/a"), (OTHER, "grant", "/a")],
    ),
    "a link that leads elsewhere": (
        with_grants(declared("/a", resolved="/b")),
        with_grants(declared("/a", resolved="/c")),
        [(OTHER, "grant", "/a")],
    ),
    "made this time": (with_grants(declared("/a", message="created")), with_grants(declared("/a")), []),
    "a right that one side does not handle": (
        with_grants(declared("/a", "read_write"), landlock=report(9)),
        with_grants(declared("/a", "read_write", rights=READ_WRITE[:-1]), landlock=report(8, resolve_unix="x")),
        [(OTHER, "right", "resolve_unix")],
    ),
    "a right that one side does not handle, and file modes deny": (
        with_grants(declared("/a", status="blocked", message=f"{DENIED}make_dir, resolve_unix"), landlock=report(9)),
        with_grants(
            declared("/a", status="blocked", message=f"{DENIED}make_dir"), landlock=report(8, resolve_unix="x")
        ),
        [(OTHER, "right", "resolve_unix")],
    ),
    "a private folder is not the host's": (
        with_grants(declared("/tmp/work"), isolation={**ISOLATED, "mount": HIDDEN}),
        with_grants(
            declared("/tmp").replace(origin=Origin("baseline", "process")), isolation={**ISOLATED, "mount": HIDDEN}
        ),
        [(LOOSER, "grant", "/tmp"), (TIGHTER, "grant", "/tmp/work")],
    ),
    "a run's own folder": (
        with_grants(declared("/tmp/openshell-01hq/tmp".replace("01hq", "0" * 25 + "a")), run_id="0" * 25 + "A"),
        with_grants(declared("/tmp/openshell-01hq/tmp".replace("01hq", "0" * 25 + "b")), run_id="0" * 25 + "B"),
        [],
    ),
}


@pytest.mark.parametrize(("a", "b", "expected"), TABLE.values(), ids=TABLE)
def test_direction(a, b, expected):
    """Each difference once, the looser first, and mirrored the other way round."""
    assert expected == told(a, b)


@pytest.mark.parametrize(
    ("choices", "direction"),
    [
        (("off", "broker"), LOOSER),
        (("broker", "write_file"), LOOSER),
        (("off", "write_file"), LOOSER),
        (("write_file", "broker"), TIGHTER),
    ],
)
def test_thread_names(choices, direction):
    """What opens CUDA's thread names is one difference, neither grants nor findings repeat it."""
    a, b = (composed(gpu=0, devices=GPUS, cuda_thread_names=choice) for choice in choices)
    found = [one for one in compare(a, b) if one.kind in ("thread-names", "grant")]
    assert [(direction, "thread-names")] == [(one.direction, one.kind) for one in found]
    told(a, b)


def test_thread_names_say_what_opens_them():
    """The broker, or a rule."""
    a, b = (composed(gpu=0, cuda_thread_names=word) for word in ("broker", "write_file"))
    shape = compare(a, b)[0].as_dict()
    assert ("broker", "landlock") == (shape["a"]["by"], shape["b"]["by"])


def test_a_plan_and_its_outcome():
    """What came out as planned is one row; what did not is told."""
    plan = composed(read_only=["/data/set"], read_write=["/home/me/project"])
    assert [(OTHER, "plan", "state")] == told(plan, BASE)
    worse = BASE.replace(grants=(BASE.grants[0].replace(status="skipped", actual=()), *BASE.grants[1:]))
    assert [(TIGHTER, "grant", "/data/set"), (OTHER, "plan", "state")] == told(plan, worse)


def test_only_what_differs_is_given():
    """Values of a change hold the keys that differ; of something new, all."""
    (one,) = compare(with_grants(declared("/a")), with_grants(declared("/a", "read_write")))
    assert {"origin", "access", "gives"} == set(one.a or ()) == set(one.b or ())
    (one,) = compare(with_grants(), with_grants(declared("/a")))
    assert (None, "added") == (one.a, one.change)
    assert {"origin", "resolved", "access", "gives", "status", "mechanism", "detail"} == set(one.b or ())
