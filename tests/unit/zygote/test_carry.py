"""Records on their way between our processes come back equal, and as plain data in between."""

import marshal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyopenshell.record import Record
from pyopenshell.zygote import carry, stamp
from tests.unit.zygote import plans


class Place(Record):
    """A record of these tests."""

    path: object
    line: object = ()


SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.text(), st.binary())
KEYS = st.one_of(st.none(), st.booleans(), st.integers(), st.text())


def _more(inner):
    return st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.frozensets(KEYS, max_size=3),
        st.dictionaries(KEYS, inner, max_size=3),
        st.builds(Place, inner, inner),
    )


VALUES = st.recursive(SCALARS, _more, max_leaves=20)


def over(value):
    """Carry a value to another process and back."""
    return carry.unpack(marshal.loads(marshal.dumps(carry.pack(value))))


@given(VALUES)
def test_what_is_carried_comes_back(value):
    """Equal, and of the same types at every depth: a list is no tuple, and True is no 1."""
    found = over(value)
    assert value == found
    assert repr(value) == repr(found) or "frozenset" in repr(value)


@pytest.mark.parametrize("request_", [{}, {"gpu": 0}, {"max_abi": 1}, {"unsafe_unconfined": True}], ids=str)
def test_a_plan_comes_back(workdir, request_):
    """All of it, and what follows from it: what init is told, the digest, and what it depends on."""
    planned = plans.planned(workdir, "version: 1\nfilesystem_policy: {read_only: [/etc, /no/such]}\n", **request_)
    found = over(planned)
    assert planned == found
    assert planned.plan.as_plain() == found.plan.as_plain()
    assert planned.effective.digest == found.effective.digest
    taken = stamp.take(planned)
    assert taken == over(taken)
