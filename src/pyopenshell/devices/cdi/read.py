"""Reading one spec: from bytes or a file to a Spec and its faults."""

from __future__ import annotations

from pyopenshell.devices.cdi import files
from pyopenshell.devices.cdi.codes import fault
from pyopenshell.devices.cdi.document import parse
from pyopenshell.devices.cdi.fault import ERROR, Fault
from pyopenshell.devices.cdi.model import Spec
from pyopenshell.devices.cdi.spec import OWN, build
from pyopenshell.record import Record

MAX_FAULTS = 100
"""Faults kept of one file; nobody reads more, and a hostile file could hold a million."""


class Reading(Record):
    """One file: its spec, None where an error keeps it from being used, and what is wrong with it, in file order.

    ``meant`` says whether it was meant for a spec: it has a field that other files do not have, right or wrong.
    """

    file: str
    priority: int
    spec: Spec | None
    faults: tuple[Fault, ...]
    meant: bool = False


class Faults:
    """The faults of one file, as they are found."""

    def __init__(self, file: str | None) -> None:
        """Start with none. ``file`` is None for faults of the host."""
        self.file = file
        self._found: list[Fault] = []
        self._more = False

    def note(
        self, code: str, message: str, mend: str | None = None, line: int | None = None, column: int | None = None
    ) -> None:
        """Remember a fault: its code without ``cdi.``, what is wrong, and a mend more exact than the code's."""
        if len(self._found) < MAX_FAULTS:
            self._found.append(fault(code, message, mend, file=self.file, line=line, column=column))
        else:
            self._more = True

    @property
    def errors(self) -> bool:
        """Whether one of them is an error; those that are not shown count."""
        return self._more or any(found.severity == ERROR for found in self._found)

    def ordered(self) -> tuple[Fault, ...]:
        """Return them in the order of the file."""
        ordered = sorted(self._found, key=lambda found: (found.line or 0, found.column or 0))
        if self._more:
            ordered.append(fault("too-many-faults", f"more than {MAX_FAULTS} faults", file=self.file))
        return tuple(ordered)


def read_file(path: str, priority: int = 0) -> Reading:
    """Return what the file at ``path`` holds. ``priority`` is its folder's: the higher one decides."""
    faults = Faults(path)
    return _reading(path, files.load(path, faults.note), faults, priority)


def read_bytes(data: bytes, file: str, priority: int = 0) -> Reading:
    """Return what ``data`` holds; ``file`` names it in faults."""
    faults = Faults(file)
    if len(data) > files.MAX_SIZE:
        faults.note("too-large", f"larger than {files.MAX_SIZE >> 20} MiB")
        return _reading(file, None, faults, priority)
    return _reading(file, data, faults, priority)


def _reading(file: str, data: bytes | None, faults: Faults, priority: int) -> Reading:
    spec, meant = None, False
    if data is not None:
        root = parse(data, faults.note)
        if root is not None and root.kind not in ("null", "invalid"):
            spec = build(root, file, priority, faults.note)
            meant = root.kind == "mapping" and not OWN.isdisjoint(root.value)
        elif not faults.errors:
            faults.note("empty", "no spec is in the file")
    return Reading(file, priority, None if faults.errors else spec, faults.ordered(), meant)
