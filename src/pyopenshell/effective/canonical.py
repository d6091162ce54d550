"""JSON as this package writes it: canonical (RFC 8785) for digests, one object per line for files.

The standard ``json`` module imports ``re``, which costs half an interpreter start, so the cold path writes JSON
with the same C string encoder directly. Only strings, integers, booleans, None, lists and dicts occur. Tests hold
the result against the ``rfc8785`` package.
"""

from __future__ import annotations

from _json import encode_basestring
from _sha256 import sha256 as _sha256

MAX_SAFE_INTEGER = 2**53 - 1
"""RFC 8785 writes numbers as ECMAScript does: beyond this, integers lose digits and are refused."""


def canonical(value: object) -> str:
    """Return the RFC 8785 form of ``value``. Raises TypeError for floats and other types, ValueError for large integers."""
    if isinstance(value, str):
        return encode_basestring(value)
    if value is None or value is True or value is False:
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        if abs(value) > MAX_SAFE_INTEGER:
            raise ValueError(f"integer {value} is outside the range JSON keeps exactly")
        return str(value)
    if isinstance(value, (list, tuple)):
        return "[" + ",".join([canonical(item) for item in value]) + "]"
    if isinstance(value, dict):
        # RFC 8785 sorts keys by their UTF-16 code units.
        keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
        return "{" + ",".join([f"{encode_basestring(key)}:{canonical(value[key])}" for key in keys]) + "}"
    raise TypeError(f"{type(value).__name__} has no canonical JSON form here")


def sha256(data: bytes) -> str:
    """Return the SHA-256 of ``data`` in hexadecimal."""
    return _sha256(data).hexdigest()
