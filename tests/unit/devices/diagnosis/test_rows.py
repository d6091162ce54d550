"""Every row of the catalogue: its own text is found, a near miss is not, and it says all that it must."""

from __future__ import annotations

import re

import pytest

from pyopenshell.devices.cdi.codes import CODES
from pyopenshell.devices.diagnosis import diagnose
from pyopenshell.devices.diagnosis.catalogue import BY_CODE, PIECES, ROWS
from pyopenshell.devices.diagnosis.refine import REFINEMENTS
from pyopenshell.devices.diagnosis.row import CERTAINTIES
from pyopenshell.devices.diagnosis.text import find, squeeze
from tests.unit.devices.diagnosis.misses import NEAR
from tests.unit.devices.diagnosis.texts import SAMPLES

WITH_TEXT = [row for row in ROWS if row.patterns]
CASES = [(code, text) for code, texts in SAMPLES.items() for text in texts]
MISSES = [(code, text) for code, texts in NEAR.items() for text in texts]
SOURCE = re.compile(r"[\w.-]+/[\w.-]+#\d+")


@pytest.mark.parametrize(("code", "text"), CASES)
def test_a_row_has_its_own_text(code, text):
    """What the program prints leads to the row that is about it, before all others."""
    found = [cause.code for cause in diagnose(text)]
    assert code == found[0]


@pytest.mark.parametrize(("code", "text"), MISSES)
def test_a_near_miss_is_no_hit(code, text):
    """A text that looks like it and says something else is not claimed."""
    assert code not in [cause.code for cause in diagnose(text)]


def test_every_row_is_tested():
    """Each row with a text has samples and near misses, and the tests know no other rows."""
    codes = {row.code for row in WITH_TEXT}
    assert codes == set(SAMPLES)
    assert codes == set(NEAR)


@pytest.mark.parametrize(
    ("row", "pieces"), [(row, pieces) for row, patterns in PIECES for pieces in patterns], ids=lambda value: ""
)
def test_every_pattern_is_needed(row, pieces):
    """Each pattern is in one of the row's own samples."""
    assert any(find(squeeze(text.encode()), pieces) for text in SAMPLES[row.code])


def test_patterns_can_be_searched_for():
    """No piece is so short that it is everywhere, and codes are there once."""
    assert len(BY_CODE) == len(ROWS) >= 90
    for _row, patterns in PIECES:
        for pieces in patterns:
            assert min(len(piece) for piece in pieces) >= 5
            assert max(len(piece) for piece in pieces) >= 9


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.code)
def test_a_row_says_all_it_must(row):
    """A stable code, a sentence, steps, and a source that is a thread, a document or what was seen here."""
    assert re.fullmatch(r"[a-z0-9]+\.[a-z0-9-]+", row.code)
    assert row.cause.endswith(".")
    assert row.steps
    assert all(step and not step.endswith(".") for step in row.steps)
    assert row.certainty in CERTAINTIES
    assert row.refine in ("", *REFINEMENTS)
    assert row.said_by
    if row.patterns and not row.source.startswith(("seen", "cncf-tags/")):
        assert SOURCE.search(row.source)


def test_one_word_for_one_thing():
    """What the linter has a code for has the same one here."""
    shared = {row.code.removeprefix("cdi.") for row in ROWS} & {code.removeprefix("cdi.") for code in CODES}
    expected = {
        *("syntax", "unknown-field", "invalid-version", "version-too-old", "empty", "bad-kind", "conflict"),
        *("empty-device", "unreadable", "dangling-link", "node-missing", "node-type", "mount-missing", "hook-missing"),
        *("folder-missing", "folder-empty", "folder-unreadable"),
    }
    assert expected == shared
