"""Ids of runs and names of sandboxes."""

from __future__ import annotations

import os
import time

from pyopenshell.errors import UsageError

NAME_LENGTH = 63

_ULID = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_NAME = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")
_FIRST = ("amber", "brave", "brisk", "calm", "clear", "keen", "quiet", "swift")
_SECOND = ("badger", "crane", "finch", "heron", "lynx", "marten", "otter", "wren")


def new_id() -> str:
    """Return a ULID (github.com/ulid/spec): 48 bits of milliseconds, 20 of nanoseconds beneath them, 60 random ones.

    The nanoseconds stand where other ULIDs are random, so that a host's own ids sort by time even within a millisecond.
    """
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    number = (milliseconds << 80) | (rest << 60) | (int.from_bytes(os.urandom(8), "big") >> 4)
    return "".join([_ULID[number >> shift & 31] for shift in range(125, -1, -5)])


def generated_name(run_id: str) -> str:
    """Return a name for a run that was given none: one of 67 million, by the random part of its id."""
    first, second = (_ULID.index(character) % 8 for character in run_id[-6:-4])
    return f"{_FIRST[first]}-{_SECOND[second]}-{run_id[-4:].lower()}"


def is_id(text: str) -> bool:
    """Return whether a text is an id of a run."""
    return len(text) == 26 and set(_ULID).issuperset(text)


def is_name(name: str) -> bool:
    """Return whether a text can name a sandbox."""
    return 0 < len(name) <= NAME_LENGTH and _NAME.issuperset(name) and name[0] != "-"


def check_name(name: str) -> None:
    """Raise UsageError unless ``name`` is 1 to 63 of a-z, 0-9 and ``-``, and begins with no ``-``."""
    if not is_name(name):
        raise UsageError(
            f"{name!r} cannot name a sandbox",
            hint=f"use at most {NAME_LENGTH} of a-z, 0-9 and '-', and begin with a letter or a digit",
            code="name.invalid",
        )
