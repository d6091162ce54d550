"""Properties: no input makes a diagnosis fail, and noise around it never hides what a row is about."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from pyopenshell.devices.diagnosis import Surroundings, diagnose
from pyopenshell.devices.diagnosis.row import CERTAINTIES
from tests.unit.devices.diagnosis.texts import SAMPLES

CODES = sorted(SAMPLES)
NOISE = st.one_of(
    st.binary(max_size=200),
    st.text(max_size=100).map(lambda text: text.encode("utf-8", "replace")),
    st.sampled_from(
        [b"\x1b[31m", b"\x1b]0;", b'{"log":"', b"\\n\\t* ", b"\r", b"| ", b"time=x level=info msg=", b"\\"]
    ),
)
ROW = st.sampled_from(CODES).flatmap(lambda code: st.tuples(st.just(code), st.sampled_from(SAMPLES[code])))


@given(st.one_of(NOISE, st.text(max_size=400)))
@settings(max_examples=300)
def test_no_input_is_an_error(text):
    """Any bytes and any text have an answer: causes by falling certainty, each with its evidence."""
    for here in (None, Surroundings()):
        causes = diagnose(text, here)
        ranks = [CERTAINTIES.index(cause.certainty) for cause in causes]
        assert sorted(ranks) == ranks
        assert all(cause.evidence.isprintable() and cause.line >= 1 for cause in causes)


@given(NOISE, ROW, NOISE)
@settings(max_examples=400)
def test_noise_hides_nothing(before, row, after):
    """Every text of every row is found between any other lines."""
    code, text = row
    found = diagnose(before + b"\n" + text.encode() + b"\n" + after)
    assert code in [cause.code for cause in found]


@given(st.lists(ROW, min_size=1, max_size=4))
def test_several_failures_are_all_named(rows):
    """Where several go wrong, each is told, unless another row's text lies over it."""
    text = "\n".join(text for _code, text in rows)
    assert {code for code, _text in rows} <= {cause.code for cause in diagnose(text)}


@given(ROW, st.integers(60, 120))
def test_wrapping_hides_nothing(row, width):
    """A terminal's hard wrap changes nothing."""
    code, text = row
    wrapped = "\n".join(text[start : start + width] for start in range(0, len(text), width))
    assert code in [cause.code for cause in diagnose(wrapped)]
