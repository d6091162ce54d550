"""SHA-256 without ``hashlib``, which loads OpenSSL and costs as much as the rest of a policy's reading."""

from __future__ import annotations

import sys

if sys.version_info >= (3, 12):
    from _sha2 import sha256 as _sha256
else:
    from _sha256 import sha256 as _sha256


TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def sha256(data: bytes) -> str:
    """Return the SHA-256 of ``data`` in hexadecimal."""
    digest: str = begin(data).hexdigest()
    return digest


def begin(data: bytes) -> Any:
    """Return the SHA-256 of what begins with ``data``: an object with ``update``, ``copy``, ``hexdigest`` (hashlib)."""
    return _sha256(data)
