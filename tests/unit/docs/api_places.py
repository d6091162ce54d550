"""Whose program uses the library, and where: root's or an ordinary user's, with a home and a state of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyopenshell.testing.state import sandbox_uid
from tests.confined.landlock.harness import NOBODY

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
WHO = ("root", "user") if os.geteuid() == 0 else ("user",)
"""Who can try the examples here: root does so as an ordinary user, too."""
PLACE = "/var/tmp"
"""Where the folders are: not in /tmp, of which a sandbox has its own."""


class Place:
    """A working folder, and how programs are started in it."""

    def __init__(self, workdir: Path, options: dict[str, Any]) -> None:
        self.workdir = workdir
        self.options = options

    def python(self, *arguments: object, timeout: float) -> subprocess.CompletedProcess[str]:
        """Start this Python with arguments, and wait; what a program leaves open is an error of it."""
        command = [sys.executable, "-W", "error::ResourceWarning", *map(str, arguments)]
        return subprocess.run(command, timeout=timeout, **self.options)


@contextmanager
def place(who: str) -> Iterator[Place]:
    """Make folders for ``root`` or a ``user``, and remove them."""
    other = NOBODY if who == "user" and os.geteuid() == 0 else None
    workdir, home = (Path(tempfile.mkdtemp(prefix="openshell-docs.", dir=PLACE)) for _ in range(2))
    try:
        os.chown(workdir, sandbox_uid() if other is None else other, -1)
        if other is not None:
            os.chown(home, other, other)
        own = {"HOME": str(home), "XDG_STATE_HOME": str(home / "state"), "XDG_CONFIG_HOME": str(home / "config")}
        path = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
        options: dict[str, Any] = {
            "cwd": workdir,
            "env": {**os.environ, **own, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "text": True,
            "check": False,
        }
        yield Place(
            workdir, options if other is None else {**options, "user": other, "group": other, "extra_groups": []}
        )
    finally:
        for folder in (workdir, home):
            shutil.rmtree(folder, ignore_errors=True)
