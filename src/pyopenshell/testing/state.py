"""Throwaway folders: for what sandboxes leave behind, and for them to work in."""

from __future__ import annotations

import os
import pwd
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

VARIABLES = {"XDG_STATE_HOME": "state", "XDG_CONFIG_HOME": "config"}
"""What says where state and configuration are, and how these are called in a throwaway folder."""


@contextmanager
def isolated_state() -> Iterator[Path]:
    """Keep run records and configuration in a throwaway folder for the length of the block; gives its path.

    Without it, a test's sandboxes are in the person's ``openshell sandbox list``, take names that others use, and push
    older records out. The environment variables ``XDG_STATE_HOME`` and ``XDG_CONFIG_HOME`` are set meanwhile, for this
    process and what it starts: in one thread at a time. Sandboxes that are open when the block ends lose their record.
    Raises OSError where there is no room for a folder.
    """
    before = {name: os.environ.get(name) for name in VARIABLES}
    with tempfile.TemporaryDirectory(prefix="openshell-state.", ignore_cleanup_errors=True) as folder:
        try:
            os.environ.update({name: f"{folder}/{part}" for name, part in VARIABLES.items()})
            yield Path(folder)
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


@contextmanager
def open_workdir() -> Iterator[Path]:
    """Make an empty folder for a sandbox to work in, and remove it after the block; gives its path.

    It belongs to whom a sandbox of the built-in policy runs as: the caller, or for root the account ``sandbox``, or
    ``nobody`` where there is none. Root's own temporary folders, pytest's ``tmp_path`` among them, are closed to those.
    Raises OSError.
    """
    folder = Path(tempfile.mkdtemp(prefix="openshell-work."))
    try:
        os.chown(folder, sandbox_uid(), -1)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sandbox_uid() -> int:
    """Return the user id that sandboxes of the built-in policy have in ``open_workdir``."""
    if os.geteuid() != 0:
        return os.geteuid()
    for account in ("sandbox", "nobody"):
        try:
            return pwd.getpwnam(account).pw_uid
        except KeyError:
            pass
    return 65534
