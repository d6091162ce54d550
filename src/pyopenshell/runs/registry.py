"""The registry: which runs there are, and which names lead to them. What changes it does so under its lock."""

from __future__ import annotations

import fcntl
import os

from pyopenshell.effective.canonical import canonical_bytes
from pyopenshell.errors import StateError
from pyopenshell.runs.names import is_id
from pyopenshell.state import FOLDER, is_locked, lock, open_folder, remove_tree, state_root, unusable, write_whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Self

SCHEMA = "pyopenshell.run/1"


class Run:
    """A run of this process. It counts as alive until ``close``, or until this process is gone.

    ``lock`` is a descriptor of its folder. A forked process that keeps it open keeps the run alive too; an executed one
    does not have it.
    """

    def __init__(self, id: str, name: str, path: str, lock: int) -> None:  # noqa: A002
        """Take over ``lock``, which is locked already."""
        self.id = id
        self.name = name
        self.path = path
        self.lock = lock

    def write(self, filename: str, data: bytes) -> None:
        """Write a file of the record, which appears whole or not at all. Raises StateError."""
        try:
            write_whole(self.lock, filename, data)
        except OSError as error:
            raise unusable(self.path, error) from error

    def read(self, filename: str) -> bytes:
        """Return a file of the record. Raises StateError."""
        try:
            with open(os.open(filename, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self.lock), "rb") as file:
                return file.read()
        except OSError as error:
            raise unusable(self.path, error) from error

    def write_json(self, filename: str, value: dict[str, Any]) -> None:
        """Write a file of the record as JSON. Raises StateError."""
        self.write(filename, canonical_bytes(value))

    def close(self) -> None:
        """Let go of the lock: the run is over."""
        os.close(self.lock)


class Registry:
    """The folders of runs and of names, open, and locked against other changes while ``change`` is meant."""

    def __init__(self, *, change: bool = True) -> None:
        self.root = state_root()
        self._change = change
        self._open: list[int] = []

    def __enter__(self) -> Self:
        try:
            for path in (self.root, f"{self.root}/runs", f"{self.root}/names"):
                self._open.append(open_folder(path))
            _, self.runs, self.names = self._open
            if self._change:
                lock(self.names, f"{self.root}/names")
        except (OSError, StateError) as error:
            self.__exit__(type(error), error)
            raise
        return self

    def __exit__(self, _kind: object, error: BaseException | None, *_trace: object) -> None:
        for fd in self._open:
            os.close(fd)
        if isinstance(error, OSError):
            raise unusable(self.root, error) from error

    def ids(self) -> list[str]:
        """Return the ids of all runs, the oldest first."""
        return sorted(entry for entry in os.listdir(self.runs) if is_id(entry))

    def sweep(self) -> None:
        """Remove what someone who was killed left half done: nobody else is at work under our lock."""
        for folder in (self.runs, self.names):
            for entry in os.listdir(folder):
                if entry.startswith("."):
                    _remove(folder, entry)

    def prune(self, keep: int, spare: int = 0) -> None:
        """Remove the oldest runs that are over, all but the newest ``keep``; none before there are ``spare`` more."""
        old = self.old(keep, spare)
        if old:
            self.discard(old)

    def old(self, keep: int, spare: int = 0) -> list[str]:
        """Return the oldest runs that are over, all but the newest ``keep``; none before there are ``spare`` more."""
        ids = self.ids()
        over = [run for run in ids if not is_locked(run, self.runs)] if len(ids) > keep + spare else []
        return over[: len(over) - keep] if len(over) > keep + spare else []

    def discard(self, ids: Sequence[str]) -> None:
        """Remove runs, and the names that lead nowhere then: first out of sight, then from the disk."""
        self.hide(ids)
        self.sweep()

    def hide(self, ids: Sequence[str]) -> None:
        """Take runs out of sight, and the names that lead nowhere then; to be deleted, which needs no lock."""
        for run in ids:
            try:
                os.rename(run, f".del-{run}", src_dir_fd=self.runs, dst_dir_fd=self.runs)
            except FileNotFoundError:  # somebody else was faster
                pass
        left = set(self.ids())
        for name in os.listdir(self.names):
            if target(name, self.names) not in left:
                os.unlink(name, dir_fd=self.names)

    def delete(self, ids: Sequence[str]) -> None:
        """Delete runs that are out of sight."""
        for run in ids:
            _remove(self.runs, f".del-{run}")

    def add(self, run: str, name: str, policy_text: str, meta: dict[str, Any]) -> Run:
        """Make the record, complete before it can be seen, and let the name lead to it."""
        os.mkdir(f".tmp-{run}", 0o700, dir_fd=self.runs)
        fd = os.open(f".tmp-{run}", FOLDER, dir_fd=self.runs)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            write_whole(fd, "policy.yaml", policy_text.encode())
            write_whole(fd, "meta.json", canonical_bytes({**meta, "schema": SCHEMA, "id": run, "name": name}))
            # In this order: killed in between, we leave a name that leads nowhere, not one that leads to an older run.
            self.link(name, run)
            os.rename(f".tmp-{run}", run, src_dir_fd=self.runs, dst_dir_fd=self.runs)
        except BaseException:
            os.close(fd)
            raise
        return Run(run, name, f"{self.root}/runs/{run}", fd)

    def link(self, name: str, run: str) -> None:
        """Let a name lead to a run, in one step."""
        os.symlink(f"../runs/{run}", f".tmp-{run}", dir_fd=self.names)
        os.rename(f".tmp-{run}", name, src_dir_fd=self.names, dst_dir_fd=self.names)


def _remove(folder: int, entry: str) -> None:
    try:
        remove_tree(folder, entry)
    except OSError:
        pass  # It is in nobody's way, and the next one tries again.


def target(link: str, within: int | None = None) -> str:
    """Return the id a name leads to, or nothing."""
    try:
        return os.path.basename(os.readlink(link, dir_fd=within))
    except OSError:
        return ""
