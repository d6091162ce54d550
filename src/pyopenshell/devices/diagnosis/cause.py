"""A cause that a diagnosis names, with what the text and the host showed of it."""

from __future__ import annotations

from pyopenshell.record import Record


class Cause(Record):
    """One cause of a failure, with the way out.

    ``code``, ``cause``, ``steps``, ``source``, ``said_by`` and ``certainty`` are the catalogue's (``row.Row``); steps
    that this host's own state suggests come first. ``evidence`` is the line that told, printable and cut, on ``line``
    of the text (from 1; of its end, where it was cut); ``names`` are CDI devices and ``paths`` files that it names.
    ``seen`` are sentences about this host, where it was looked at. ``symptom`` is the code of the row whose text was
    found: another one than ``code`` where the host told which of several causes it is.
    """

    code: str
    certainty: str
    cause: str
    said_by: str
    evidence: str
    line: int
    steps: tuple[str, ...]
    source: str
    symptom: str
    names: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()
