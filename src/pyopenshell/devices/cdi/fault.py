"""What can be wrong with a CDI spec, in the shape that the registry keeps and the linter prints."""

from __future__ import annotations

from pyopenshell.record import Record

ERROR, WARNING = "error", "warning"


class Fault(Record):
    """One thing wrong: a stable ``code`` (``cdi.…``), the file, the line and column where they can be known.

    ``severity``: ``error`` (an engine refuses the spec or the device, or uses what is not there), ``warning``
    (it works, and not as one would think). ``mend`` says what to do, as a person would type it.
    """

    code: str
    severity: str
    message: str
    mend: str
    file: str | None = None
    line: int | None = None
    column: int | None = None
