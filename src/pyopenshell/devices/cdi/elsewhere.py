"""Mends for PATHs that lie outside of the folders of specs: these may be anything, a device or a file of secrets.

Whoever types what is said here must not rename, remove or open up what is no spec.
"""

from __future__ import annotations

from pyopenshell.devices.cdi import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyopenshell.devices.cdi.fault import Fault
    from pyopenshell.devices.cdi.read import Reading

FILE = "name a spec file"
FOLDER = "name a folder of specs"
PIPE = f"{FILE}, or pipe the spec into: openshell gpu lint -"
READER = "check it as a user who may read it"
_NO_FILE = frozenset(("cdi.not-a-file", "cdi.dangling-link", "cdi.link-cycle"))


def named(reading: Reading) -> Reading:
    """Return what was read of a file that was named, with mends that leave it alone unless it was meant for a spec."""
    if reading.meant:
        return reading
    # A mapping without a field of specs is another program's file, though its name ends in .yaml.
    other = any(fault.code == "cdi.missing-field" for fault in reading.faults)
    looks = not other and (files.is_spec(reading.file) or files.is_nearly(reading.file))
    return reading.replace(faults=tuple(_named(fault, looks=looks) for fault in reading.faults))


def _named(fault: Fault, *, looks: bool) -> Fault:
    """Return the fault of such a file. ``looks`` says that its name is a spec's: its text is then worth mending."""
    if fault.code in _NO_FILE:
        return fault.replace(mend=PIPE if fault.message.endswith("a pipe, not a file") else FILE)
    return mended(fault) if looks or fault.code == "cdi.unreadable" else fault.replace(mend=FILE)


def inside(reading: Reading) -> Reading:
    """Return what was read of a file in a folder that was named."""
    return reading.replace(faults=tuple(map(mended, reading.faults)))


def mended(fault: Fault) -> Fault:
    """Return a fault of a folder that was named, or of a file in it, with a mend that opens neither to others."""
    if fault.code in ("cdi.unreadable", "cdi.folder-unreadable"):
        return fault.replace(mend=READER)
    return fault.replace(mend=FOLDER) if fault.code == "cdi.folder-empty" else fault
