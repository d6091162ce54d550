"""What a process and its zygote say to each other. Both are ours and trust each other; nothing sandboxed speaks here.

Three kinds of sockets, all unnamed:

- the *door* (SOCK_SEQPACKET), one per process: each message is ``CONNECT`` with one descriptor, a connection;
- a *connection* (SOCK_STREAM), one per sandbox: the owner sends ``CREATE`` once, is answered ``READY``, or ``FAILED``,
  sends any number of ``COMMAND``, each with a socket of its own, and ``CLOSE``, which is answered ``ENDED``;
- a *command's* socket (SOCK_STREAM): the zygote sends ``BEGUN`` or ``FAILED``, ``TERMINAL`` where it has a terminal,
  and at the end ``EXITED``; the owner may send ``SIGNAL``.

Whoever closes, or dies, has closed: a connection at its end closes the sandbox, a command's socket at its end (also one
that was only shut down for writing) has the command killed, with all that it started. After ``EXITED`` of a command,
and after ``ENDED``, the zygote closes its end too. Frames are those of
``launch.frames``; payloads are ``marshal`` data.
"""

from __future__ import annotations

import _socket

from pyopenshell.launch.frames import Reader, send

__all__ = ["Reader", "send"]

CONNECT = b"C"
"""owner → zygote, on the door, with a descriptor: a connection."""
CREATE = b"K"
"""owner → zygote: ``{"request": RunRequest as a dict, "policy": (file, text, tree) or None, "environ": {},
"cwd": str}``. The tree is ``policy.cache.plain`` of what was parsed: where the zygote plans there is no YAML parser."""
READY = b"Y"
"""zygote → owner: the sandbox holds: ``{"name", "run_id", "record" (its folder), "pid" (of its first process)}``."""
FAILED = b"F"
"""zygote → owner: ``errors.pack`` of what went wrong. On a command's socket: it did not start."""
COMMAND = b"X"
"""owner → zygote, with descriptors (the command's socket, then stdin, stdout, stderr unless it has a terminal):
``{"argv": [...], "env": {...} (over the sandbox's own), "cwd": str or None, "terminal": (rows, columns) or None}``; if
``"quiet"`` is true there is no ``BEGUN``, which would only wake the owner."""
CLOSE = b"Z"
"""owner → zygote: end the sandbox and everything in it."""
ENDED = b"N"
"""zygote → owner: it has ended: ``{"lost": why, where it ended by itself, or None, "troubles": [...],
"survivors": [...]}``. Also unasked."""
BEGUN = b"B"
"""zygote → owner, on a command's socket: it runs: ``{"pid": in the sandbox}``."""
TERMINAL = b"M"
"""zygote → owner, on a command's socket, with a descriptor: the master side of its terminal."""
EXITED = b"E"
"""zygote → owner, on a command's socket: ``{"status": wait status}``. What it left in the background lives on until the
sandbox ends; of a command that was killed for its owner, nothing does."""
SIGNAL = b"S"
"""owner → zygote, on a command's socket: send this signal (a number) to the command's process group."""

DOOR = 3
"""The zygote's end of the door."""


def come(door: _socket.socket) -> list[_socket.socket] | None:
    """Return the connections that came through the door by now; None: it is closed."""
    found: list[_socket.socket] = []
    while True:
        try:
            flags = _socket.MSG_DONTWAIT | _socket.MSG_CMSG_CLOEXEC
            data, ancillary, _, _ = door.recvmsg(16, _socket.CMSG_SPACE(4), flags)
        except BlockingIOError:
            return found
        if not data:
            return found or None
        for _level, _kind, rights in ancillary:
            if len(rights) == 4:  # else there was no room for it: the owner's end is closed
                fd = int.from_bytes(rights, "little")
                found.append(_socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM, 0, fd))
