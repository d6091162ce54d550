"""A folder of things to try rights on, owned by the uid that will try, and reachable for it."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def field(uid: int | None = None) -> Iterator[str]:
    """Make the folder: file, script (executable, no program), folder, source/one, target, service (a Unix socket)."""
    root = tempfile.mkdtemp(prefix="openshell-test-", dir="/tmp")
    service = socket.socket(socket.AF_UNIX)
    try:
        for name in ("folder", "source", "target"):
            os.mkdir(f"{root}/{name}")
        for name, mode in (("file", 0o644), ("script", 0o755), ("source/one", 0o644)):
            with open(f"{root}/{name}", "w") as file:
                file.write("some words\n")
            os.chmod(f"{root}/{name}", mode)
        service.bind(f"{root}/service")
        service.listen()
        if uid is not None:
            for path, folders, files in os.walk(root):
                for name in (".", *folders, *files):
                    os.chown(f"{path}/{name}", uid, uid)
        yield root
    finally:
        service.close()
        shutil.rmtree(root)
