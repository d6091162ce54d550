"""What to try on paths: what each grant gives and one step wider, and what lies beside it and elsewhere."""

from __future__ import annotations

import errno
import os

from pyopenshell.effective.paths import inside, parent
from pyopenshell.verify import making, outside
from pyopenshell.verify.attempt import ALLOWED, DENIED, DEVICES, GRANTS, OUTSIDE, About, Attempt
from pyopenshell.verify.rules import place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyopenshell.effective.model import Grant
    from pyopenshell.verify.outside import Entry, Outside
    from pyopenshell.verify.rules import Rules

MOST_BESIDE = 8
"""Entries beside a granted path that are tried, and so on."""
MOST_HOME = 40
MOST_ROOT = 60
MOST_DEVICES = 100
MOST_SAMPLED = 3
"""Folders in a granted one, in which a file is looked for too."""
IOCTL = 0xFEFE
"""A request that no driver knows: ENOTTY or EINVAL where a device may be asked at all."""
AFTER_OPENING = (errno.ENXIO, errno.ENODEV, errno.EIO, errno.EBUSY)
"""What a driver answers to an open, after Landlock has allowed it."""
AFTER_ASKING = (*AFTER_OPENING, errno.ENOTTY, errno.EINVAL, errno.EPERM, errno.EFAULT)
KERNELS_OWN = ("/proc", "/sys", "/dev")
"""Where nothing is made, and no sample is taken: what lies there is no ordinary file."""
OF_ITS_PROCESS = ("/proc/self", "/proc/thread-self")
FILES = (outside.FILE, outside.PROGRAM)


class Files:
    """Makes the attempts about paths."""

    def __init__(self, rules: Rules, seen: Outside, inodes: frozenset[tuple[int, int]], *, brokered: bool) -> None:
        """Keep what they are made of. ``inodes``: device and inode of every rule in the kernel."""
        self.rules = rules
        self.seen = seen
        self.inodes = inodes
        # A broker reads the memory of whoever opens for writing, which it can only of programs that were executed.
        self.opening = "run" if brokered else "open"

    def of_grants(self, folders: frozenset[str]) -> Iterator[Attempt]:
        """Try what each grant gives, and one step wider. ``folders``: ids of those that are folders."""
        for grant in self.rules.grants:
            path = place(grant)
            if any(inside(name, own) for name in (path, grant.path) for own in OF_ITS_PROCESS):
                # Its rule is about the folder of one process, and not of the probe's.
                call = ("nothing", None)
                yield _about(grant).attempt(path, "another folder for every process", ALLOWED, call)
                continue
            for attempt in self._of(grant, path, is_folder=grant.id in folders):
                # The report says that file modes, or a read-only file system, deny some of it.
                yield attempt.replace(refusals=()) if grant.status == "blocked" else attempt

    def beside(self) -> Iterator[Attempt]:
        """Try what lies around the paths that somebody named: the folder that holds them, and its other entries."""
        done: set[str] = set()
        for grant in self.rules.grants:
            folder = parent(place(grant))
            named = grant.origin.kind in ("declared", "workdir") or str(grant.origin) == "baseline/command"
            if named and folder not in done and folder != "/":
                done.add(folder)
                yield from self._around(folder, f"beside {grant.path}", MOST_BESIDE)

    def elsewhere(self) -> Iterator[Attempt]:
        """Try the root folder, the caller's home, openshell's own folders, and what private ones hide."""
        yield from self._around("/", "/", MOST_ROOT)
        yield from self._around(self.seen.home, f"home {self.seen.home}", MOST_HOME)
        about = About(OUTSIDE, "openshell's own folders")
        for folder in self.seen.folders:
            if not self.rules.gives(folder, "read_dir"):
                # Whatever denies it will do: a mount without any permission hides it where there is one.
                yield self._list(about, folder, modes=False)

        for folder in self.rules.hidden:
            about = About(OUTSIDE, f"the host's {folder}")
            found = [entry for entry in self.seen.entries(folder) if self.rules.is_hidden(entry.path)]
            for entry in found[:MOST_BESIDE]:
                # The sandbox may have something of the same name: what must not be there is the host's.
                call = ("inode", None, os.fsencode(entry.path), entry.ino, entry.dev)
                yield about.attempt(entry.path, "see", DENIED, call)

    def devices(self) -> Iterator[Attempt]:
        """Try what is in ``/dev`` and not granted."""
        found = [
            entry
            for entry in outside.unlike(self.seen.entries("/dev"), self.inodes)
            if entry.kind == outside.DEVICE and not self.rules.enclosing(entry.path)
        ]
        about = About(DEVICES, "in /dev")
        for entry in outside.choice(found, MOST_DEVICES):
            yield from self._device(about, entry.path)

    def _of(self, grant: Grant, path: str, *, is_folder: bool) -> Iterator[Attempt]:
        entry = self.seen.look(self.rules.on_host(path))
        if is_folder:
            yield from self._folder(grant, path)
        elif entry is None or entry.kind in FILES:
            yield from self._file(grant, path, is_program=bool(entry and entry.kind == outside.PROGRAM))
        elif entry.kind == outside.DEVICE:
            yield from self._device(_about(grant), path)

    def _entries(self, folder: str) -> list[Entry]:
        """Return what the sandbox has in a folder; the host may have that elsewhere."""
        source = self.rules.on_host(folder)
        found = self.seen.entries(source)
        return found if source == folder else [one.replace(path=folder + one.path[len(source) :]) for one in found]

    def _around(self, folder: str, subject: str, most: int) -> Iterator[Attempt]:
        """List a folder that no grant lets be listed, and try those of its entries about which none says anything."""
        if self.rules.gives(folder, "read_dir"):
            return
        about = About(OUTSIDE, subject)
        yield self._list(about, folder)
        found = [entry for entry in outside.unlike(self._entries(folder), self.inodes) if self._is_foreign(entry)]
        for entry in outside.choice(found, most):
            if entry.kind == outside.FOLDER:
                yield self._list(about, entry.path)
                continue
            yield self._read(about, entry.path)
            yield self._write(about, entry.path)
            if entry.kind == outside.PROGRAM:
                yield self._execute(about, entry.path)

    def _is_foreign(self, entry: Entry) -> bool:
        right = "read_dir" if entry.kind == outside.FOLDER else "read_file"
        return entry.kind in (outside.FOLDER, *FILES) and not self.rules.gives(entry.path, right)

    def _folder(self, grant: Grant, path: str) -> Iterator[Attempt]:
        """List it, use a sample of what lies in it, and make things: in it, or in a folder made for that."""
        yield self._list(_about(grant), path)
        if any(inside(path, folder) for folder in KERNELS_OWN) and path != "/dev/shm":  # noqa: S108
            return
        if not self.rules.is_hidden(path) and path != "/":
            yield from self._samples(grant, path)
        if path != "/":
            yield from making.attempts(self.rules, grant, path, self.seen.token)

    def _samples(self, grant: Grant, path: str) -> Iterator[Attempt]:
        """Read, execute and write one file each, the first there is.

        None is opened for writing where that is allowed: whoever watches it would take it for changed.
        """
        found = self._entries(path)
        for folder in [entry.path for entry in found if entry.kind == outside.FOLDER][:MOST_SAMPLED]:
            found = [*found, *self._entries(folder)]
        own = [entry for entry in found if entry.kind in FILES and self.rules.enclosing(entry.path)[0] is grant]
        own.sort(key=lambda entry: not entry.open)
        if own:
            yield self._read(_about(grant), own[0].path)
            if self.rules.expect(own[0].path, "write_file") == DENIED:
                yield self._write(_about(grant), own[0].path)
        program = next((entry for entry in own if entry.kind == outside.PROGRAM), None)
        if program:
            yield self._execute(_about(grant), program.path)

    def _file(self, grant: Grant, path: str, *, is_program: bool) -> Iterator[Attempt]:
        yield self._read(_about(grant), path)
        yield self._write(_about(grant), path)
        if is_program:
            yield self._execute(_about(grant), path)

    def _device(self, about: About, path: str) -> Iterator[Attempt]:
        """Open a device either way, and ask it something that it does not know."""
        name, best = os.fsencode(path), None
        for what, flags, modes, rights in (
            ("open for reading", os.O_RDONLY, os.R_OK, ("read_file",)),
            ("open for both", os.O_RDWR, os.R_OK | os.W_OK, ("read_file", "write_file")),
        ):
            expected = self.rules.expect(path, *rights, device=True)
            best = flags if expected == ALLOWED else best
            attempt = about.attempt(path, what, expected, ("open", (name, modes), name, flags))
            yield attempt.replace(passes=AFTER_OPENING)
        if best is not None:
            expected = self.rules.expect(path, "ioctl_dev", device=True)
            attempt = about.attempt(path, "ioctl", expected, ("ioctl", None, name, best, IOCTL))
            yield attempt.replace(passes=AFTER_ASKING)

    def _list(self, about: About, path: str, *, modes: bool = True) -> Attempt:
        name = os.fsencode(path)
        call = ("open", (name, os.R_OK) if modes else None, name, os.O_RDONLY | os.O_DIRECTORY)
        return about.attempt(path, "list", self.rules.expect(path, "read_dir"), call)

    def _read(self, about: About, path: str) -> Attempt:
        name = os.fsencode(path)
        call = ("open", (name, os.R_OK), name, os.O_RDONLY)
        return about.attempt(path, "read", self.rules.expect(path, "read_file"), call)

    def _write(self, about: About, path: str) -> Attempt:
        """Open for writing; nothing is written."""
        name = os.fsencode(path)
        call = (self.opening, (name, os.W_OK), name, os.O_WRONLY)
        return about.attempt(path, "write", self.rules.expect(path, "write_file"), call)

    def _execute(self, about: About, path: str) -> Attempt:
        name = os.fsencode(path)
        call = ("execute", (name, os.X_OK), name)
        # Landlock wants both: the kernel opens for reading what it executes (landlock's hook_file_open).
        return about.attempt(path, "execute", self.rules.expect(path, "execute", "read_file"), call)


def _about(grant: Grant) -> About:
    return About(GRANTS, grant.path, grant.id)
