"""Pathname Unix sockets of this host that a sandbox could connect to, because neither mounts nor Landlock hide them."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

MOST = 20
"""How many are named in a finding."""


def reachable(query: Callable[[str, int], int]) -> tuple[str, ...]:
    """Return listening pathname sockets (unix(7), ``/proc/net/unix``) whose modes let the identity connect.

    ``query`` answers access(2) as the identity: connecting needs write permission on the socket.
    """
    found: set[str] = set()
    try:
        with open("/proc/net/unix", encoding="utf-8", errors="surrogateescape") as file:
            next(file, None)
            for line in file:
                fields = line.rstrip("\n").split(None, 7)
                if len(fields) == 8 and fields[7].startswith("/"):
                    found.add(fields[7])
    except OSError:
        return ()
    return tuple(path for path in sorted(found) if query(path, os.W_OK) == 0)
