"""Where this host's files are: the usual places, or folders that a test has made."""

from __future__ import annotations

import os
import stat

from pyopenshell.record import Record

LIMIT = 65536
"""Bytes that are read of a small file."""


class Roots(Record):
    """The folders that everything is looked up in; ``root`` stands before every other absolute path."""

    root: str = ""
    dev: str = "/dev"
    proc: str = "/proc"
    sys: str = "/sys"

    def text(self, path: str) -> str:
        """Return the start of a small file of the kernel's or the system's; empty where it cannot be read."""
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return ""
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                return ""
            return os.read(fd, LIMIT).decode("utf-8", "replace")
        except OSError:
            return ""
        finally:
            os.close(fd)


def beneath(folder: str) -> Roots:
    """Return the roots of a host that lies in a folder."""
    return Roots(folder, f"{folder}/dev", f"{folder}/proc", f"{folder}/sys")
