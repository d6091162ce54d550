"""A saved effective policy is read whoever wrote the file, or refused with one sentence that says why."""

import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyopenshell.effective import saved
from pyopenshell.effective.canonical import canonical_bytes
from pyopenshell.effective.diff import compare
from pyopenshell.effective.load import from_dict
from pyopenshell.effective.model import SeccompReport
from pyopenshell.errors import StateError
from tests.unit.effective.cases import STEADY
from tests.unit.effective.test_load import FILTERED, PLANNED, SETTLED

SHAPE = json.loads(canonical_bytes(SETTLED.as_dict()))
POLICY = b"version: 1\nfilesystem_policy:\n  read_only: [/usr]\n"


def changed(**values):
    return {**copy.deepcopy(SHAPE), **values}


def written(shape):
    return json.dumps(shape).encode()


@pytest.mark.parametrize("effective", [PLANNED, SETTLED, FILTERED], ids=["planned", "settled", "with syscall rows"])
@pytest.mark.parametrize("wrap", [lambda shape: shape, lambda shape: {"steps": [], "effective": shape}])
def test_what_was_saved_is_read(effective, wrap):
    """The shape itself, and the documents of other verbs that hold it."""
    assert effective.as_dict() == saved.parse(written(wrap(effective.as_dict())), "A").as_dict()


def test_an_older_record_is_read():
    """One without rows of the syscall filter, whose digest was made without them."""
    assert saved.parse(written(PLANNED.as_dict()), "A").seccomp.rows is None


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "it is empty"),
        (b" \n", "it is empty"),
        (written(SHAPE)[:-9], "it is no JSON, or was cut short: "),
        (b"\xff\xfe\x00", "it is no JSON"),
        (b"[" * 200_000, "it is nested too deeply"),
        (b"1" * 9000, "it is no JSON"),
        (b"[]", "it is no effective policy"),
        (b"null", "it is no effective policy"),
        (b'{"a": 1}', "it is no effective policy"),
        (POLICY, "it is a policy, not an effective policy"),
        (b'{"version": 1}', "it is a policy, not an effective policy"),
        (b"schema: pyopenshell.effective/1\n", "it is an effective policy as YAML; save it with -o json"),
        (written(changed(schema="pyopenshell.effective/2")), "its schema is pyopenshell.effective/2, which a newer"),
        (written(changed(schema="pyopenshell.receipt/1")), "its schema is pyopenshell.receipt/1, not pyopen"),
        (written(changed(schema=7)), "its schema is 7, not"),
        (written(changed(grants=None)), "it is not of the documented shape"),
        (written({"schema": SHAPE["schema"]}), "it is not of the documented shape"),
        (written(changed(digest="0" * 64)), "its digest does not fit what it says"),
        (written(changed(findings=[])), "its digest does not fit what it says"),
    ],
)
def test_what_is_refused(data, why):
    """One sentence that begins with the file's name, and a hint; never another error."""
    with pytest.raises(StateError) as caught:
        saved.parse(data, "A.json")
    assert caught.value.message.startswith(f"A.json: {why}")
    assert ("effective.invalid", saved.NEEDED) == (caught.value.code, caught.value.hint)


@pytest.mark.parametrize(
    ("key", "value"),
    [("status", 7), ("actual", [["x"]]), ("actual", [1]), ("detail", {"errno": "x"}), ("detail", {"message": 1})],
)
def test_types_that_the_digest_does_not_cover(key, value):
    """What became of a grant is no part of the digest, so its types are looked at."""
    shape = copy.deepcopy(SHAPE)
    shape["grants"][0][key] = value
    from_dict(shape)
    with pytest.raises(StateError, match="a value has the wrong type"):
        saved.parse(written(shape), "A")


@pytest.mark.parametrize(
    "effective",
    [
        PLANNED.replace(grants=(*PLANNED.grants, PLANNED.grants[0])),
        PLANNED.replace(name=7),
        PLANNED.replace(identity=PLANNED.identity.replace(uid="0")),
        PLANNED.replace(seccomp=SeccompReport("2", 1).replace(rows=({"syscall": 1},))),
        PLANNED.replace(landlock=PLANNED.landlock.replace(abi=True)),
    ],
    ids=["an id twice", "name", "uid", "row", "true"],
)
def test_a_digest_says_nothing_about_types(effective):
    """Whoever makes a file can make its digest."""
    with pytest.raises(StateError):
        saved.parse(written(effective.as_dict()), "A")


PLACES = st.lists(st.integers(0, 40), min_size=1, max_size=6)
VALUES: st.SearchStrategy[object] = st.sampled_from(
    (None, True, 0, -1, 1e308, "", "x", [], {}, [1], ["x"], [[]], {"x": 1}, [{}])
)


@settings(STEADY, max_examples=150)
@given(PLACES, VALUES, st.booleans())
def test_whatever_was_changed(places, value, remove):
    """Any value anywhere replaced or removed: what is still read can be compared, all else is refused."""
    shape = copy.deepcopy(SHAPE)
    node = shape
    for place in places:
        keys = list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
        if not keys:
            break
        holder, key = node, keys[place % len(keys)]
        node = node[key]
    if remove:
        del holder[key]
    else:
        holder[key] = value
    try:
        effective = saved.parse(written(shape), "A")
    except StateError:
        return
    compare(SETTLED, effective)
    compare(effective, SETTLED)
