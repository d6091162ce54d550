"""What a file agent and its client say to each other: numbers and bytes in a fixed order, nothing that needs a parser.

A request is a head (length of the body, operation) and a body, an answer the same with an errno for the operation, 0
where it succeeded; answers come in the order of the requests. A body is packed by a signature with a letter for each
value: ``n`` a signed number of eight bytes, ``b`` bytes with their length in four before them; all little-endian.

Handles stand for open files and folders. The client chooses their numbers, so that it need not wait for one to be
open before it asks for more. A path starts from the folder that a handle stands for, ``HERE`` being the sandbox's
working directory; an empty path means what the handle itself stands for.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

HEAD = 6
CHUNK = 256 << 10
"""Bytes that are read or written at once, at most."""
MAX_BODY = CHUNK + (8 << 10)
MAX_HANDLES = 256
MAX_ENTRIES = 64
"""Entries of a folder in one answer; more would not fit, with names of 255 bytes."""
MAX_PATH = 4096
HERE = 0
"""The handle of the working directory, which is always open."""

(OPEN, CLOSE, READ, WRITE, SYNC, STATUS, CHANGE, ENTRIES, MAKE_FOLDER, REMOVE, RENAME, READ_LINK, LINK, REAL_PATH,
 SPACE, CREATE, COMMIT) = range(1, 18)  # fmt: skip

ENTRY = "nnnnnnn"
"""What is told of a file: mode, size, times of access and of change (ns since 1970), uid, gid, number of links."""
REQUESTS = {
    OPEN: "nnbnn",  # handle, path, flags and mode of openat(2)
    CLOSE: "n",
    READ: "nnn",  # handle, offset, count
    WRITE: "nnb",  # handle, offset, data
    SYNC: "n",
    STATUS: "nbn",  # path, whether a link is followed
    CHANGE: "nbnnnnnnnn",  # path, whether a link is followed, which (CHANGE_*), mode, size, two times, uid, gid
    ENTRIES: "n",  # handle of a folder: its next entries in the order of their names, none at the end
    MAKE_FOLDER: "nbn",  # path, mode
    REMOVE: "nbn",  # path, whether it is a folder
    RENAME: "nbnbn",  # path, path, whether what is there is replaced
    READ_LINK: "nb",
    LINK: "bnbn",  # target, path; whether it is a hard one, the target a path from the working directory
    REAL_PATH: "b",
    SPACE: "nb",
    CREATE: "nnb",  # handle, path: a new file without a name of its own, to be put there by COMMIT
    COMMIT: "nnnn",  # handle, mode, two times: complete the file, close it and give it its name
}
"""The values of each request. ``path`` stands for two, a handle and bytes."""
ANSWERS = {READ: "b", STATUS: ENTRY, READ_LINK: "b", REAL_PATH: "b", SPACE: "nnnnnnnnnn"}
"""The values of an answer, where it has any; that of ENTRIES is many times bytes (a name) and ``ENTRY``."""
CHANGE_MODE, CHANGE_SIZE, CHANGE_TIMES, CHANGE_OWNER = 1, 2, 4, 8
MODES = 0o1777
"""The bits of a mode that are set: never set-user-id or set-group-id."""


def head(length: int, word: int) -> bytes:
    """Return a head: the length of the body, and an operation or an errno."""
    return length.to_bytes(4, "little") + word.to_bytes(2, "little")


def split(data: bytes) -> tuple[int, int]:
    """Return the two numbers of a head."""
    return int.from_bytes(data[:4], "little"), int.from_bytes(data[4:HEAD], "little")


def pack(signature: str, *values: Any) -> bytes:
    """Return a body. Raises OverflowError for a number of more than 64 bits."""
    parts = []
    for letter, value in zip(signature, values, strict=True):
        if letter == "n":
            parts.append(int(value).to_bytes(8, "little", signed=True))
        else:
            parts += [len(value).to_bytes(4, "little"), value]
    return b"".join(parts)


def unpack(signature: str, data: bytes, at: int = 0) -> tuple[list[Any], int]:
    """Return the values that begin at a place, and the place behind them. Raises ValueError where there are fewer."""
    values: list[Any] = []
    for letter in signature:
        size = 8 if letter == "n" else 4
        number = int.from_bytes(data[at : at + size], "little", signed=letter == "n")
        at += size
        if letter == "b":
            values.append(data[at : at + number])
            at += number
        else:
            values.append(number)
        if at > len(data):
            raise ValueError("a body ends too early")
    return values, at


def whole(signature: str, data: bytes) -> list[Any]:
    """Return the values of a body that has these and no more. Raises ValueError."""
    values, end = unpack(signature, data)
    if end != len(data):
        raise ValueError("a body is longer than it should be")
    return values
