"""docs/diagnosis.md against the catalogue: every code with its text, cause, steps and source, and no other."""

from __future__ import annotations

from pyopenshell.devices.diagnosis.catalogue import ROWS
from tests.unit.devices.diagnosis.page import PAGE, render, written


def test_the_page_is_the_catalogue():
    """The page lists just what is known; ``python -m tests.unit.devices.diagnosis.page`` writes that part anew."""
    assert render() == written()


def test_every_code_has_a_heading():
    """Each code can be linked to."""
    text = PAGE.read_text("utf-8")
    assert [row.code for row in ROWS] == [line[5:-1] for line in text.splitlines() if line.startswith("### `")]


def test_the_number_of_rows_is_said_right():
    """The introduction counts what is below."""
    texts = sum(bool(row.patterns) for row in ROWS)
    assert f"{texts} failures by their texts, and {len(ROWS) - texts} conclusions" in PAGE.read_text("utf-8")
