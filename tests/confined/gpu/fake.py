"""The pretended driver library (fake_cuda.c), built; and a ``/dev`` with GPU nodes for it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.confined.whole import callers

if TYPE_CHECKING:
    from collections.abc import Callable

SOURCE = Path(__file__).with_name("fake_cuda.c")
NAME = "libcuda.so.1"
CONTROL = ("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-modeset")
ZERO = os.makedev(1, 5)
"""/dev/zero: a device with a driver, that no node of a GPU can reach by accident."""


def build(folder: Path) -> Path:
    """Build the library in a folder, or skip the test; return its path."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs: C compiler")
    library = folder / NAME
    flags = ["-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-pthread"]
    subprocess.run([compiler, *flags, "-o", library, SOURCE], check=True)
    return library


def nodes(*names: str, closed: tuple[str, ...] = ()) -> Callable[[], None]:
    """Return a ``preexec_fn``: a ``/dev`` of its own with these nodes, which /dev/zero's driver serves.

    ``closed`` are those that file modes deny to everybody but root.
    """

    def make() -> None:
        for name in names:
            os.unlink(f"/dev/{name}")
            os.mknod(f"/dev/{name}", 0o020600 if name in closed else 0o020666, ZERO)
        os.umask(0o022)

    return callers.in_own_mounts(callers.devices(*names), make)
