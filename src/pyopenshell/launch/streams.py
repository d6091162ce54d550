"""The standard streams a program is started with."""

from __future__ import annotations

import os


def fill() -> None:
    """Put ``/dev/null`` where the caller had closed one: the next open would take its place, and pass for it."""
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            if null != fd:
                os.dup2(null, fd)
                os.close(null)
            else:
                os.set_inheritable(fd, True)
