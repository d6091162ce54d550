"""The part of docs/diagnosis.md that lists the catalogue. ``python -m tests.unit.devices.diagnosis.page`` writes it."""

from __future__ import annotations

import textwrap
from pathlib import Path

from pyopenshell.devices.diagnosis.catalogue import SECTIONS
from pyopenshell.devices.diagnosis.row import Row

PAGE = Path(__file__).parents[4] / "docs" / "diagnosis.md"
WIDTH = 120
FIRST = f"## {SECTIONS[0][0]}"


def render() -> str:
    """Every row under the heading of its section, as the page must have it."""
    parts = []
    for title, rows in SECTIONS:
        parts += [f"## {title}", *(_row(row) for row in rows)]
    return "\n\n".join(parts) + "\n"


def _row(row: Row) -> str:
    said = [f"    {pattern}" for pattern in row.patterns] or [f"    {'(looking at the host)'}"]
    steps = [_folded(step, f"{number}. ", "   ") for number, step in enumerate(row.steps, 1)]
    about = f"Said by {row.said_by}. Certainty: {row.certainty}. Source: {row.source}."
    return "\n\n".join(
        [f"### `{row.code}`", "\n".join(said), _folded(row.cause), "\n".join(steps), _folded(about)],
    )


def _folded(text: str, first: str = "", rest: str = "") -> str:
    """Fold a text, its commands and all, without breaking a word."""
    escaped = text.replace("*", "\\*").replace("<", "\\<").replace("_", "\\_").replace("[", "\\[")
    return textwrap.fill(
        escaped, WIDTH, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )


def written() -> str:
    """What the page has from its first section on."""
    text = PAGE.read_text("utf-8")
    return text[text.index(f"{FIRST}\n") :]


if __name__ == "__main__":
    page = PAGE.read_text("utf-8")
    PAGE.write_text(page[: page.index(f"{FIRST}\n")] + render(), "utf-8")
