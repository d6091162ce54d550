"""Plain values between a sandbox and us: what the worker writes is read, and nothing else does any harm."""

import math
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyopenshell.integrations import values
from pyopenshell.integrations.inside import worker

BUDGET = 1 << 20

hashable = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.complex_numbers() | st.text() | st.binary(),
    lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=4),
    max_leaves=8,
)
plain = st.recursive(
    hashable | st.binary().map(bytearray),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.lists(inner, max_size=5).map(tuple)
        | st.dictionaries(hashable, inner, max_size=5)
        | st.sets(hashable, max_size=5)
    ),
    max_leaves=12,
)


def encoded(value):
    out = bytearray()
    worker.encode(value, out)
    return bytes(out)


def shown(value):
    """A value as text, whatever the order in its sets."""
    if isinstance(value, set | frozenset):
        return f"{type(value).__name__} {sorted(map(shown, value))}"
    if isinstance(value, dict):
        return f"dict {[(shown(key), shown(one)) for key, one in value.items()]}"
    if isinstance(value, list | tuple):
        return f"{type(value).__name__} {[*map(shown, value)]}"
    return repr(value)


@given(plain)
def test_what_goes_out_comes_back(value):
    """Every plain value is the same on the other side, of the same type, not-a-numbers too."""
    assert shown(value) == shown(values.decode(encoded(value), BUDGET))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_refused(data):
    """Whatever a sandbox sends, the reader answers with a value or with its one error."""
    try:
        values.decode(data, BUDGET)
    except values.Untrusted:
        pass


@given(plain, st.data())
def test_a_damaged_value_is_a_value_or_refused(value, data):
    """The same for bytes that are nearly right, which get further."""
    sent = bytearray(encoded(value))
    sent[data.draw(st.integers(0, len(sent) - 1))] = data.draw(st.integers(0, 255))
    try:
        values.decode(sent, BUDGET)
    except values.Untrusted:
        pass


@pytest.mark.parametrize("value", [object(), len, range(3), type, ValueError("x"), memoryview(b"x"), math])
def test_other_objects_are_refused_where_they_are_made(value):
    """The worker says which type it cannot send."""
    with pytest.raises(TypeError, match="no plain data"):
        encoded([value])


def test_a_subclass_is_no_plain_data():
    """A str with methods of its own would come back as something else, so it is not sent."""

    class Text(str):
        pass

    with pytest.raises(TypeError, match="Text is no plain data"):
        encoded(Text("x"))


def test_nesting_is_bounded_on_both_sides():
    """What contains itself is refused by the writer, and by the reader whoever wrote it."""
    endless: list[object] = []
    endless.append(endless)
    with pytest.raises(ValueError, match="nested more than 100"):
        encoded(endless)
    deep = (b"l" + (1).to_bytes(8, "little")) * 5000 + b"N"
    with pytest.raises(values.Untrusted, match="too deep"):
        values.decode(deep, BUDGET)


def test_the_deepest_value_that_is_written_is_read():
    """Both sides draw the line at the same place, with the answer around the value."""
    value: object = None
    for _ in range(worker.MAX_DEPTH - 1):
        value = [value]
    assert ("value", value) == values.decode(encoded(("value", value)), BUDGET)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "ends early"),
        (b"i" + (8).to_bytes(8, "little") + b"1234", "ends early"),
        (b"b" + (1 << 62).to_bytes(8, "little"), "ends early|more memory"),
        (b"l" + (1 << 62).to_bytes(8, "little"), "ends early"),
        (b"d" + (1 << 62).to_bytes(8, "little"), "ends early"),
        (b"s" + (2).to_bytes(8, "little") + b"\xff\xff", "utf-8"),
        (b"e" + (1).to_bytes(8, "little") + b"l" + bytes(8), "unhashable"),
        (b"NN", "more than one"),
        (b"\x80\x04N.", "no kind"),
        (b"l" + (1 << 15).to_bytes(8, "little") + b"N" * (1 << 15), "more memory"),
    ],
)
def test_lies_are_refused(data, says):
    """Lengths beyond the data, text that is none, keys that cannot be hashed, rests, other formats, and too much."""
    with pytest.raises(values.Untrusted, match=says):
        values.decode(data, BUDGET)


MANY = 8192
COLLIDE = (1 << 61) - 1
"""Multiples of this all have the hash 0 (sys.hash_info.modulus)."""


@pytest.mark.parametrize(
    "value",
    [
        {*range(MANY + 1)},
        dict.fromkeys(range(MANY + 1)),
        frozenset(range(MANY + 1)),
        [{*range(1000)} for _ in range(70)],
        {("x" * 32 * 1000, number) for number in range(300)},
        {(*[None] * 1000, number) for number in range(300)},
        {1 << 32 * 8000 | number for number in range(300)},
        {frozenset(range(number, number + 100)) for number in range(100)},
    ],
)
def test_keys_that_may_collide_are_bounded(value):
    """Whatever but texts is hashed can be chosen to collide, so what comparing each with each may take is bounded."""
    with pytest.raises(values.Untrusted, match="too many keys or members"):
        values.decode(encoded(value), 1 << 30)


@pytest.mark.parametrize(
    "value",
    [
        {*range(MANY)},
        {number * COLLIDE for number in range(1000)},
        [{*range(100)} for _ in range(1000)],
        {str(number): number for number in range(MANY * 10)},
        {number: [*range(100)] for number in range(1000)},
        [(1, 2)] * MANY * 10,
    ],
)
def test_honest_keys_are_read(value):
    """Texts may be many, and so may values and members of lists; of numbers there is room for thousands."""
    assert value == values.decode(encoded(value), 1 << 30)


def test_a_length_makes_no_memory():
    """A value that claims to be large is refused before anything of that size is made."""
    code = (
        "import resource, sys; from pyopenshell.integrations import values\n"
        "resource.setrlimit(resource.RLIMIT_AS, (256 << 20, 256 << 20))\n"
        "for tag in b'isbaltezd':\n"
        "    try: values.decode(bytes([tag]) + (1 << 40).to_bytes(8, 'little') + b'N' * 100, 1 << 60)\n"
        "    except values.Untrusted as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ("it ends early\n" * 9, "") == (done.stdout, done.stderr)
