"""The CDI specs of this host: which folders, which specs, which devices, and which spec decides.

As in engines, a spec of a later folder replaces the devices it shares with earlier ones, and a device that two specs of
one folder name belongs to neither: not even a later folder's spec brings it back.
"""

from __future__ import annotations

import errno
import os

from pyopenshell.devices.cdi import files, lookup, names
from pyopenshell.devices.cdi.codes import fault
from pyopenshell.devices.cdi.fault import Fault
from pyopenshell.devices.cdi.lookup import Conflict
from pyopenshell.devices.cdi.model import CdiDevice, Spec
from pyopenshell.devices.cdi.read import Faults, Reading, read_file
from pyopenshell.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

STANDARD = ("/etc/cdi", "/var/run/cdi")
"""The folders of the specification, the one for generated specs last: it decides."""
VARIABLE = "OPENSHELL_CDI_SPEC_DIRS"
"""The environment variable that names other folders, separated by colons."""


class Folder(Record):
    """A folder that was looked into. ``errno`` is 0 where it could be listed; ``files`` counts its spec files."""

    path: str
    errno: int = 0
    files: int = 0

    @property
    def closed(self) -> bool:
        """Whether it is there and cannot be listed: it may hold specs."""
        return self.errno not in (0, errno.ENOENT)


class Found(Record):
    """A device that was looked up by its qualified ``name``. ``spec.edits`` belong to it too, before its own."""

    spec: Spec
    device: CdiDevice
    name: str


class Scan(Record):
    """What one folder holds, or one path that was given (then without a folder). ``beside`` are faults of no spec.

    ``elsewhere`` says that it lies outside of the folders of specs.
    """

    folder: Folder | None
    readings: tuple[Reading, ...]
    beside: tuple[Fault, ...]
    elsewhere: bool = False


class Registry(Record):
    """All specs that can be used, by rising precedence, and what was wrong. ``conflicts`` are devices of no spec."""

    specs: tuple[Spec, ...] = ()
    faults: tuple[Fault, ...] = ()
    folders: tuple[Folder, ...] = ()
    conflicts: tuple[Conflict, ...] = ()

    def devices(self) -> dict[str, Found]:
        """Return every device that can be resolved, by its qualified name."""
        found = {}
        for spec in self.specs:
            for device in spec.devices:
                name = names.qualified(spec.kind, device.name)
                found[name] = Found(spec, device, name)
        for conflict in self.conflicts:
            found.pop(conflict.name, None)
        return found

    def names(self) -> tuple[str, ...]:
        """Return the qualified names that can be resolved, in natural order."""
        return tuple(sorted(self.devices(), key=names.natural))

    def find(self, name: str) -> Found:
        """Return the device of a qualified name.

        Raises GpuError with the code ``cdi.bad-name``, ``cdi.conflict`` or ``cdi.unknown-device``, and with what there
        is in its hint.
        """
        found = self.devices().get(name)
        if found is None:
            raise lookup.failure(name, self)
        return found


def folders(given: Sequence[str] = (), environ: Mapping[str, str] = {}) -> tuple[str, ...]:
    """Return the folders to look into, the one that decides last: ``given``, else ``VARIABLE``'s, else ``STANDARD``.

    An empty name counts as none.
    """
    chosen = [folder for folder in given if folder]
    if not chosen:
        chosen = [folder for folder in environ.get(VARIABLE, "").split(":") if folder]
    return tuple(chosen) or STANDARD


def read(folders: Sequence[str]) -> Registry:
    """Return what the folders hold. Nothing is raised: what cannot be read is a fault.

    Standard folders that are missing or empty are one fault, where no folder holds a spec file or may hold one.
    """
    scans = [scan(path, priority) for priority, path in enumerate(once(folders))]
    looked = tuple(found.folder for found in scans if found.folder is not None)
    registry = gather([reading for found in scans for reading in found.readings])
    beside = [problem for found in scans for problem in found.beside]
    return registry.replace(folders=looked, faults=(*folder_faults(looked), *beside, *registry.faults))


def scan(path: str, priority: int) -> Scan:
    """Return what one folder holds."""
    entries, error = _entries(path)
    specs = [entry for entry in entries if files.is_spec(entry) and not _is_folder(f"{path}/{entry}")]
    readings = tuple(read_file(f"{path}/{entry}", priority) for entry in specs)
    return Scan(Folder(path, error, len(specs)), readings, tuple(_passed_over(path, entries)))


def gather(readings: Sequence[Reading]) -> Registry:
    """Return the registry of files that were read, in the order of their precedence: their faults, then the clashes."""
    specs = tuple(reading.spec for reading in readings if reading.spec is not None)
    conflicts, faults = lookup.clashes(specs)
    own = [problem for reading in readings for problem in reading.faults]
    return Registry(specs, (*own, *faults), (), conflicts)


def folder_faults(looked: Sequence[Folder]) -> list[Fault]:
    """Return what is wrong with the folders themselves.

    Of standard folders without a spec one is enough: the first that is there, else the first.
    """
    standard = [folder for folder in looked if folder.path in STANDARD]
    here = [folder for folder in standard if not folder.errno] or standard
    needed = here[:1] if not any(folder.files or folder.closed for folder in looked) else []
    told = [folder for folder in looked if folder not in standard or folder.closed or folder in needed]
    return [problem for folder in told for problem in _folder_fault(folder)]


def once(folders: Sequence[str]) -> list[str]:
    """Return the folders without those that come again later, under this name or another."""
    last: dict[object, str] = {}
    for path in folders:
        clean = path.rstrip("/") or "/"
        try:
            status = os.stat(clean)
            key: object = (status.st_dev, status.st_ino)
        except (OSError, ValueError):
            key = clean
        last.pop(key, None)
        last[key] = clean
    return list(last.values())


def _entries(path: str) -> tuple[list[str], int]:
    """Return the names in a folder, sorted, and the error that kept them from being listed."""
    try:
        return sorted(os.listdir(path)), 0
    except OSError as error:
        return [], error.errno or 0
    except ValueError:  # a NUL in the name
        return [], errno.EINVAL


def _is_folder(path: str) -> bool:
    """Whether this is a folder itself: engines pass over those, but not over links to them."""
    return os.path.isdir(path) and not os.path.islink(path)


def _passed_over(path: str, entries: list[str]) -> list[Fault]:
    """Return the faults of what engines pass over."""
    found: list[Fault] = []
    for entry in entries:
        name = f"{path}/{entry}"
        faults = Faults(name)
        if files.is_nearly(entry):
            files.other_ending(name, faults.note)
        elif files.is_spec(entry) and _is_folder(name):
            faults.note("not-a-file", "a folder, not a file: engines pass over it")
        found += faults.ordered()
    return found


def _folder_fault(folder: Folder) -> list[Fault]:
    """Return what is wrong with a folder."""
    path = folder.path
    write = f"nvidia-ctk cdi generate --output={names.quoted(f'{path}/nvidia.yaml')}"
    if folder.errno == errno.ENOENT:
        mend = f"mkdir -p {names.quoted(path)} && {write}"
        return [fault("folder-missing", "no such folder", mend, file=path)]
    if folder.errno:
        mend = f"chmod a+rx {names.quoted(path)}" if folder.errno == errno.EACCES else "name a folder"
        return [fault("folder-unreadable", f"cannot be listed: {os.strerror(folder.errno)}", mend, file=path)]
    if not folder.files:
        return [fault("folder-empty", "no spec is in this folder", write, file=path)]
    return []
