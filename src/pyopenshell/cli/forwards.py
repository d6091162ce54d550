"""The ports that are forwarded: an entry in the state folder for each, locked by the process that serves it.

An entry whose lock nobody holds is of a process that ended; it is removed by whoever finds it.
"""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pyopenshell.cli import output
from pyopenshell.errors import OpenShellError
from pyopenshell.state import is_locked, lock, open_folder, remove_tree, state_root, unusable, write_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

_META, _LOG = "meta.json", "log"
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
_PATIENCE = 10.0
"""Seconds that a forwarding has to end."""
_LINES = 1000
"""Lines that are written into a log, at most."""


def _folder() -> str:
    return f"{state_root()}/forwards"


@contextmanager
def registered(entry: dict[str, Any]) -> Iterator[Callable[[str], None]]:
    """Keep an entry for as long as it holds; give what writes a line into its log. Raises StateError."""
    entry["pid"] = os.getpid()
    own, log = _begin(entry)
    try:
        yield _Log(log).line
    finally:
        with _opened() as parent:
            remove_tree(parent, _name(entry))
        os.close(log)
        os.close(own)


def _begin(entry: dict[str, Any]) -> tuple[int, int]:
    """Return the open folder of a new entry, locked, and its log."""
    with _opened() as parent:
        lock(parent, _folder())  # nobody takes the new one for an old one
        own = open_folder(f"{_folder()}/{_name(entry)}")
        try:
            lock(own, _folder())
            write_whole(own, _META, json.dumps(entry).encode())
            return own, os.open(_LOG, _WRITE, 0o600, dir_fd=own)
        except BaseException:
            os.close(own)
            raise


class _Log:
    """A log that does not grow for ever."""

    def __init__(self, fd: int) -> None:
        self._fd, self._left = fd, _LINES

    def line(self, text: str) -> None:
        """Write a line."""
        self._left -= 1
        if self._left >= 0:
            stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            os.write(self._fd, f"{stamp} {output.escape(text)}\n".encode(errors="replace"))


@contextmanager
def _opened() -> Iterator[int]:
    try:
        fd = open_folder(_folder())
        try:
            yield fd
        finally:
            os.close(fd)
    except OSError as error:
        raise unusable(_folder(), error) from error


def _name(entry: dict[str, Any]) -> str:
    return f"{entry['address']}-{entry['port']}"


def running() -> list[dict[str, Any]]:
    """Return the entries of processes that live, in the order of their ports. Raises StateError."""
    found = []
    with _opened() as parent:
        lock(parent, _folder())
        for name in os.listdir(parent):
            if is_locked(name, parent):
                found += _entry(parent, name)
            else:
                remove_tree(parent, name)
    return sorted(found, key=lambda entry: (entry["port"], entry["address"]))


def _entry(parent: int, name: str) -> list[dict[str, Any]]:
    try:
        with open(os.open(f"{name}/{_META}", os.O_RDONLY | os.O_CLOEXEC, dir_fd=parent), "rb") as file:
            return [json.load(file)]
    except (OSError, ValueError):  # it is ending
        return []


def end_those(of: dict[str, str]) -> None:
    """End the processes whose entries say this. Raises OpenShellError."""
    for entry in running() if os.path.isdir(_folder()) else []:
        if of.items() <= entry.items():
            end(entry)


def end(entry: dict[str, Any]) -> None:
    """End the process of an entry, and wait until it has. Raises OpenShellError where it does not."""
    path = f"{_folder()}/{_name(entry)}"
    try:
        process = os.pidfd_open(entry["pid"])
    except ProcessLookupError:
        return
    try:
        # While the lock is held the number is that of the process that wrote it, and the descriptor stands for it.
        if not is_locked(path):
            return
        signal.pidfd_send_signal(process, signal.SIGTERM)
        deadline = time.monotonic() + _PATIENCE
        while is_locked(path):
            if time.monotonic() > deadline:
                raise OpenShellError(
                    f"process {entry['pid']} did not end within {_PATIENCE:.0f} seconds",
                    hint=f"kill -9 {entry['pid']} ends it",
                    code="forward.survives",
                )
            time.sleep(0.01)
    finally:
        os.close(process)
