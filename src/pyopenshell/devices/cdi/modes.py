"""Who may read and write spec files and their folders, by their modes.

Not what this user may do, which opening shows: rootless engines run as others, and whoever can write a spec chooses
what all containers and sandboxes with its devices are given.
"""

from __future__ import annotations

import os
import stat

from pyopenshell.devices.cdi.names import quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyopenshell.devices.cdi.document import Note


def check(path: str, note: Note) -> None:
    """Note what the modes of a file or a folder let others do, or keep them from. Links are followed."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return
    folder = stat.S_ISDIR(status.st_mode)
    if not folder and not stat.S_ISREG(status.st_mode):
        return
    mode, needed = stat.S_IMODE(status.st_mode), 0o005 if folder else 0o004
    # A user's own folder is that user's business; root's specs are everybody's.
    if status.st_uid == 0 and mode & needed != needed:
        letters = "rx" if folder else "r"
        message = f"mode {mode:04o}: ordinary users cannot read it, and with them rootless engines"
        note("mode", message, f"chmod a+{letters} {quoted(path)}")
    writers = " and ".join(who for who, bit in (("its group", stat.S_IWGRP), ("everybody", stat.S_IWOTH)) if mode & bit)
    if writers and not (folder and mode & stat.S_ISVTX):
        note("writable", f"mode {mode:04o}: {writers} can write it", f"chmod go-w {quoted(path)}")
    if status.st_uid not in (0, os.geteuid()):
        note("writable", f"user {status.st_uid} owns it and can write it", f"chown root {quoted(path)}")
