"""Plain values that a sandbox sent: read so that no bytes can do more than waste a bounded amount of memory and time.

Not ``pickle`` with everything forbidden: nine bytes of it have the C reader fill 32 GiB (a memo index is taken at its
word), and not ``marshal``, which may crash. What is read: None, bool, int, float, complex, str, bytes, bytearray, list,
tuple, dict, set, frozenset. ``inside/worker.py`` writes it: one byte for the kind; lengths and counts have eight.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_DEPTH = 101
"""How deep containers may be nested."""
MAX_WORK = 1 << 26
"""Comparisons that keys of dicts and members of sets may take in all, but for str and bytes. The hash of others is
known beforehand, so that they can be chosen to collide; each is compared with each then. So n of them count n times
what comparing all of them once takes. 8,192 numbers are allowed in one set, half a million in sets of a hundred."""
_AT_ONCE = 32
"""Bytes of one text or number that are compared in about the time of one comparison."""
WORTH = 64
"""Bytes of memory that each value counts, beside its length: what the smallest of them take."""


class Untrusted(ValueError):
    """The bytes are not what our own worker would have sent."""


def decode(data: bytes | bytearray, budget: int) -> object:
    """Return the value that ``data`` holds. ``budget`` bounds the memory it takes, in bytes, roughly.

    Raises Untrusted for anything that is not exactly one value, or more than the budget.
    """
    reader = _Reader(memoryview(data), budget)
    value = reader.value(0)
    if reader.at != len(data):
        raise Untrusted("there is more than one value")
    return value


class _Reader:
    def __init__(self, data: memoryview, budget: int) -> None:
        self.data = data
        self.at = 0
        self.budget = budget
        self.work = MAX_WORK
        self.weight = 0
        """What it may take to compare the value that was read last with one like it."""

    def value(self, depth: int) -> object:
        """Return the next value."""
        if depth > MAX_DEPTH:
            raise Untrusted("it is nested too deep")
        self._spend(WORTH)
        self.weight = 1
        tag = bytes(self._take(1))
        if tag in _SINGLE:
            return _SINGLE[tag]
        if tag == b"f":
            return struct.unpack("<d", self._take(8))[0]
        if tag == b"c":
            return complex(*struct.unpack("<dd", self._take(16)))
        size = int.from_bytes(self._take(8), "little") if tag in _SIZED else 0
        if tag in _BYTES:
            self._spend(size)
            self.weight += size // _AT_ONCE
            return _BYTES[tag](self._take(size))
        if tag in _SEQUENCES:
            members, weights = self._members(size, depth)
            self.weight = 1 + sum(weights)
            return _SEQUENCES[tag](members)
        if tag in _SETS:
            members, weights = self._members(size, depth)
            self._check_hashed(members, weights)
            self.weight = 1 + len(members) * sum(weights)  # two sets: each member is looked for in the other
            return _SETS[tag](members)
        if tag == b"d":
            members, weights = self._members(2 * size, depth)
            self._check_hashed(members[::2], weights[::2])
            return dict(zip(members[::2], members[1::2], strict=True))
        raise Untrusted(f"there is no kind {tag!r}")

    def _take(self, size: int) -> memoryview:
        if size > len(self.data) - self.at:
            raise Untrusted("it ends early")
        self.at += size
        return self.data[self.at - size : self.at]

    def _spend(self, size: int) -> None:
        self.budget -= size
        if self.budget < 0:
            raise Untrusted("it takes more memory than is allowed")

    def _members(self, count: int, depth: int) -> tuple[list[object], list[int]]:
        members, weights = [], []
        for _ in range(count):
            members.append(self.value(depth + 1))
            weights.append(self.weight)
        return members, weights

    def _check_hashed(self, members: list[object], weights: list[int]) -> None:
        """Raise Untrusted where these cannot be in a dict or set, or making that could take long."""
        pairs = zip(members, weights, strict=True)
        known = [weight for member, weight in pairs if not isinstance(member, str | bytes)]
        self.work -= len(known) * sum(known)
        if self.work < 0:
            raise Untrusted(
                "its dicts and sets have too many keys or members that are neither str nor bytes; send lists"
            )
        try:
            hash(tuple(members))
        except TypeError as error:
            raise Untrusted(str(error)) from error


def _text(data: memoryview) -> str:
    try:
        return str(data, "utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        raise Untrusted(str(error)) from error


def _integer(data: memoryview) -> int:
    return int.from_bytes(data, "little", signed=True)


_SINGLE = {b"N": None, b"F": False, b"T": True}
_BYTES: dict[bytes, Callable[[memoryview], object]] = {b"i": _integer, b"s": _text, b"b": bytes, b"a": bytearray}
_SEQUENCES: dict[bytes, Callable[[list[object]], object]] = {b"l": list, b"t": tuple}
_SETS: dict[bytes, Callable[[list[object]], object]] = {b"e": set, b"z": frozenset}
_SIZED = {*_BYTES, *_SEQUENCES, *_SETS, b"d"}
