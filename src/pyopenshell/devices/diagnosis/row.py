"""One row of the catalogue: a failure as programs print it, what causes it and how to recover."""

from __future__ import annotations

from pyopenshell.record import Record

CERTAIN, LIKELY, POSSIBLE = "certain", "likely", "possible"
CERTAINTIES = (CERTAIN, LIKELY, POSSIBLE)
"""How far a text tells its cause, the most telling first: it names the cause, it has mostly this one, or several."""


class Row(Record):
    """A failure pattern and its cause. ``code`` is stable.

    ``patterns`` are texts as the programs print them; ``…`` stands for a path or a name. Capitals, quotes, spaces
    and line breaks do not matter (``text``). A row without patterns is a conclusion from looking at the
    host (``refine``). ``about`` are words of which one must stand near such a text where it is not of GPUs by itself;
    ``unless`` are longer texts with it in them that say something else. ``said_by`` names the programs; ``cause`` is a
    sentence; ``steps`` are for a person to do, in their order, never run from here. ``source`` says where the text was
    seen: ``seen`` (here, from the program itself) or an issue thread, as ``owner/repository#number``. ``refine`` names
    what of the host tells the causes apart.
    """

    code: str
    patterns: tuple[str, ...]
    said_by: str
    cause: str
    steps: tuple[str, ...]
    source: str
    certainty: str = LIKELY
    refine: str = ""
    about: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()


def at_most(certainty: str, most: str) -> str:
    """Return the less certain of two."""
    return max(certainty, most, key=CERTAINTIES.index)
