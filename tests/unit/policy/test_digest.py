"""SHA-256 from below ``hashlib``."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from pyopenshell.policy.digest import begin, sha256
from tests.unit.effective.cases import STEADY


@STEADY
@given(st.binary())
def test_sha256(data):
    """As hashlib has it."""
    assert hashlib.sha256(data).hexdigest() == sha256(data)


@STEADY
@given(st.binary(), st.lists(st.binary(), max_size=3))
def test_one_beginning_serves_many(head, tails):
    """What is begun once is continued in copies, and stays as it was."""
    begun = begin(head)
    for tail in tails:
        copy = begun.copy()
        copy.update(tail)
        assert hashlib.sha256(head + tail).hexdigest() == copy.hexdigest()
    assert sha256(head) == begun.hexdigest()
