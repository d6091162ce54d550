"""What of this host can be used inside a sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from evidence import gpu_host

if TYPE_CHECKING:
    from pathlib import Path


def reachable(path: Path) -> Path:
    """Return a program that every user can execute; skip the test where this one is out of others' reach."""
    if not gpu_host.reachable(str(path)):
        pytest.skip("needs: a checkout that other users can reach")
    return path
