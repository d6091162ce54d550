"""Tests of code that should not get far: each runs in a sandbox of its own, behind a policy.

python3 -m pytest examples/integrations/test_untrusted.py
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest


@pytest.mark.sandboxed
def test_without_a_policy_the_project_can_be_read(tmp_path: Path) -> None:
    """The project and Python's own modules may be read, temporary files be written, and nothing else."""
    (tmp_path / "made").write_text(Path(__file__).read_text())
    with pytest.raises(OSError, match=r"Read-only file system|Permission denied"):
        Path(__file__).with_name("made").write_text("")


@pytest.mark.sandboxed(timeout=30)
def test_there_is_no_network() -> None:
    """Nothing outside can be reached."""
    with pytest.raises(OSError, match=r"unreachable|denied|not permitted|not supported"):
        socket.create_connection(("192.0.2.1", 80), timeout=5)


@pytest.mark.sandboxed
@pytest.mark.parametrize("path", ["/etc/shadow", "/root/.ssh/id_rsa"])
def test_secrets_are_out_of_reach(path: str) -> None:
    """What nobody granted cannot be read; whether it is there, is another question."""
    with pytest.raises(OSError, match=r"Permission denied|No such file"):
        os.open(path, os.O_RDONLY)
