"""The pretended NVML (fake_nvml.c), built."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("fake_nvml.c")
NAME = "libnvidia-ml.so.1"


def build(folder: Path) -> Path:
    """Build the library in a folder, or skip the test; return the folder."""
    pytest.importorskip("pynvml", reason="needs: nvidia-ml-py")
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs: C compiler")
    flags = ["-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run([compiler, *flags, "-o", folder / NAME, SOURCE], check=True)
    return folder


def environment(folder: Path, mode: str) -> dict[str, str]:
    """Return the variables with which the dynamic loader finds it, and it behaves so."""
    return {"LD_LIBRARY_PATH": str(folder), "FAKE_NVML": mode}
