"""A thousand launches from sixteen threads, beside an event loop and a busy thread: nothing hangs, nothing leaks."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.confined.torture import scale

ROOT = Path(__file__).parents[3]
SYSTEM = "/usr/bin/python3"
"""The interpreter that has the system's PyTorch."""
GROWTH = (8 << 10, 4 << 10, 1 << 10)
"""KiB that all launches but the first ones may add to the owner, its zygote and what forks for that: what an allocator
keeps; not what each launch leaves."""
SECONDS = 900


def has_torch():
    """Whether the system's interpreter has PyTorch."""
    asked = [SYSTEM, "-c", "import torch, yaml"]
    return os.access(SYSTEM, os.X_OK) and subprocess.run(asked, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("busy", ["zlib", "pytorch"])
def test_thousand(workdir, busy):
    """Every command's output is its own; afterwards all is held that was held after the first launches, and no more."""
    if busy == "pytorch" and not has_torch():
        pytest.skip("needs: PyTorch")
    interpreter = SYSTEM if busy == "pytorch" else sys.executable
    launches = 1000 if busy == "pytorch" else scale.many(100, 1000)
    command = [interpreter, "-m", "tests.confined.torture.thousand", str(workdir), str(launches), busy]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}/src:{ROOT}"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, timeout=SECONDS, capture_output=True, text=True, check=False
    )
    assert (0, "") == (done.returncode, done.stderr)
    before, after = json.loads(done.stdout)
    assert ([], []) == (before["errors"], after["errors"])
    assert not after["leaks"], after["leaks"]
    assert before["zygote"] == after["zygote"]
    grown = [more - less for less, more in zip(before["memory"], after["memory"], strict=True)]
    assert all(found <= most for found, most in zip(grown, GROWTH, strict=True)), grown
    beside = after["beside"]
    assert min(beside["tasks"], beside["ticks"], beside["rounds"]) > 0
