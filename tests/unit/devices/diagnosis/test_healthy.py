"""Logs of programs that work: nothing in them is taken for a failure."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyopenshell.devices.diagnosis import diagnose

LOGS = sorted((Path(__file__).parent / "healthy").glob("*.log"))


def test_there_are_logs():
    """Engines, kubelet, device plugin, the toolkit's tools, the kernel, Slurm, ROCm and a training job."""
    assert len(LOGS) >= 10


@pytest.mark.parametrize("log", LOGS, ids=lambda log: log.stem)
def test_no_hit(log):
    """A healthy log is recognised as nothing."""
    assert () == diagnose(log.read_bytes())


def test_no_hit_in_all_of_them_together():
    """Nor where the lines of one follow those of another."""
    assert () == diagnose(b"".join(log.read_bytes() for log in LOGS))


@pytest.mark.parametrize("log", LOGS, ids=lambda log: log.stem)
def test_a_failure_in_a_healthy_log_is_found(log):
    """Unrelated lines around it do not hide an error, and its line is counted right."""
    text = log.read_text("utf-8")
    middle = text.index("\n", len(text) // 2) + 1
    error = "Error: setting up CDI devices: unresolvable CDI devices nvidia.com/gpu=3\n"
    (cause,) = diagnose(text[:middle] + error + text[middle:])
    assert ("cdi.unresolvable", error.strip(), ("nvidia.com/gpu=3",)) == (cause.code, cause.evidence, cause.names)
    assert text[:middle].count("\n") + 1 == cause.line
