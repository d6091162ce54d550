"""Canonical JSON, held against the package that implements RFC 8785."""

import json

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from pyopenshell.effective.canonical import canonical, canonical_bytes
from tests.unit.effective.cases import STEADY

TEXT = st.text()
ANY_TEXT = st.text(st.characters(exclude_categories=()))
NUMBERS = st.integers(-(2**53) + 1, 2**53 - 1)


def values(text):
    """Everything this package writes: no floats."""
    leaves = st.none() | st.booleans() | NUMBERS | text
    return st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(text, inner), max_leaves=20)


@STEADY
@given(values(TEXT))
def test_it_is_rfc_8785(value):
    """The same bytes as the reference package, for any value of ours."""
    assert rfc8785.dumps(value) == canonical_bytes(value) == canonical(value).encode()


@STEADY
@given(values(ANY_TEXT))
def test_any_text_can_be_written_and_read_back(value):
    """Lone surrogates included, keys too; equal values have equal bytes."""
    data = canonical_bytes(value)
    assert data == canonical_bytes(json.loads(data))


@STEADY
@given(st.binary())
def test_any_file_name_survives(name):
    """A name that is not UTF-8 comes back as itself."""
    text = name.decode("utf-8", "surrogateescape")
    assert text == json.loads(canonical_bytes(text))


def test_keys_are_sorted_by_utf16():
    """U+1F600 sorts before U+FF61, unlike by code points."""
    assert '{"a":1,"\U0001f600":2,"\uff61":3}' == canonical({"\uff61": 3, "\U0001f600": 2, "a": 1})


def test_lone_surrogates_are_escaped():
    """In values and in keys, wherever they are sorted."""
    first, second = "\udc80", "\udcff"
    expected = b'{"\\udc80":1,"\\udcff":"\\udcfe\\\\udcfe"}'
    assert expected == canonical_bytes({second: "\udcfe\\udcfe", first: 1})


@pytest.mark.parametrize("value", [b"x", {1}, object()])
def test_what_json_does_not_know_is_refused(value):
    """No guessing."""
    with pytest.raises(TypeError):
        canonical([value])
