"""The audit log of a run: ``events.jsonl`` (OCSF) and ``events.log`` (shorthand), side by side in its folder.

Each event is one ``write(2)`` with ``O_APPEND`` per file, so that several writers never mix their lines. Only a kill or
a full disk in the middle of a write can leave a line without its end; the next writer then starts a new one.
"""

from __future__ import annotations

import fcntl
import os

from pyopenshell.audit import shorthand
from pyopenshell.effective.canonical import canonical
from pyopenshell.errors import StateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

EVENTS = "events.jsonl"
SHORTHAND = "events.log"
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


class Log:
    """An open audit log. Both files are private to their owner (0600) and closed on exec."""

    def __init__(self, folder: str | int) -> None:
        """Open the log in a folder, given by path or descriptor. Raises StateError."""
        self._files: dict[str, int] = {}
        self._torn: set[str] = set()
        for name in (EVENTS, SHORTHAND):
            path = name if isinstance(folder, int) else f"{folder}/{name}"
            try:
                fd = os.open(path, _FLAGS, 0o600, dir_fd=folder if isinstance(folder, int) else None)
                self._files[name] = fd
                if _is_torn(fd):
                    self._torn.add(name)
            except OSError as error:
                self.close()
                raise _cannot_write(name, error.strerror) from error

    def append(self, *events: dict[str, Any]) -> None:
        """Write events, each as one line to each file. Raises StateError when the disk is full."""
        for event in events:
            self._append(EVENTS, json_line(event))
            self._append(SHORTHAND, shorthand.line(event))

    def append_lines(self, events: bytes, shorthand_lines: bytes) -> None:
        """Write lines that are made already, to each file at once. Raises StateError when the disk is full."""
        self._write(EVENTS, events)
        self._write(SHORTHAND, shorthand_lines)

    def close(self) -> None:
        """Close the files."""
        while self._files:
            os.close(self._files.popitem()[1])

    def _append(self, name: str, text: str) -> None:
        self._write(name, f"{text}\n".encode())

    def _write(self, name: str, data: bytes) -> None:
        if name in self._torn:
            data = b"\n" + data
        try:
            written = os.write(self._files[name], data)
        except OSError as error:
            raise _cannot_write(name, error.strerror) from error
        if written != len(data):
            self._torn.add(name)
            raise _cannot_write(name, "the disk is full")
        self._torn.discard(name)


def _is_torn(fd: int) -> bool:
    """Return whether the last line has no end. A shared lock is held from here on, by every writer for its life.

    Who could have it alone is the only writer: elsewhere a line without its end is one that is just being written.
    """
    torn = False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        size = os.fstat(fd).st_size
        torn = size > 0 and os.pread(fd, 1, size - 1) != b"\n"
    except BlockingIOError:
        pass
    fcntl.flock(fd, fcntl.LOCK_SH)
    return torn


def json_line(event: dict[str, Any]) -> str:
    r"""Return the event as JSON on one line of UTF-8, safe to show on a terminal.

    Bytes of a path that are not UTF-8 (PEP 383) become the text ``\xff``: many readers of JSON reject what would
    stand for them, and then lose the whole event.
    """
    text = canonical(event)
    return text if text.isprintable() else "".join(_json_safe(character) for character in text)


def _json_safe(character: str) -> str:
    if character.isprintable():
        return character
    if "\udc80" <= character <= "\udcff":
        return f"\\\\x{ord(character) - 0xDC00:02x}"
    if "\ud800" <= character <= "\udfff":
        return "\ufffd"
    number = ord(character)
    if number < 0x10000:
        return f"\\u{number:04x}"
    number -= 0x10000  # RFC 8259, section 7: beyond the basic plane, two escapes
    return f"\\u{0xD800 + (number >> 10):04x}\\u{0xDC00 + (number & 0x3FF):04x}"


def _cannot_write(name: str, why: str | None) -> StateError:
    return StateError(
        f"cannot write the audit log {name}: {why}",
        hint="make room in the state folder, or set XDG_STATE_HOME to a folder you can write",
    )
