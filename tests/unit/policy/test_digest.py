"""SHA-256 from below ``hashlib``."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from pyopenshell.policy.digest import sha256
from tests.unit.effective.cases import STEADY


@STEADY
@given(st.binary())
def test_sha256(data):
    """As hashlib has it."""
    assert hashlib.sha256(data).hexdigest() == sha256(data)
