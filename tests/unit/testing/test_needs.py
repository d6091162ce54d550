"""What a test takes of a machine: measured truthfully, said by name, a skip under pytest and unittest alike."""

import os
import subprocess
import sys
import unittest

import pytest

from pyopenshell.devices.host import Broker, Host, Namespaces
from pyopenshell.errors import OpenShellError
from pyopenshell.launch import trial
from pyopenshell.testing import missing, needs, require
from tests.confined.landlock.harness import KERNEL_ABI

POOR = Host(
    "5.4", "x86_64", 0, 38, namespaces=Namespaces(user=True, net=True, reason="mount namespace: EPERM"),
    broker=Broker("unavailable", "this kernel has no user notification (Linux 5.0)"),
)  # fmt: skip
ENOUGH = Host("7.3", "x86_64", 11, namespaces=Namespaces(True, True, True, True, True), broker=Broker("outer"))


def test_this_machine_is_measured():
    """In another process it is found what this one finds."""
    found = needs.measured()
    assert (KERNEL_ABI, trial.namespaces()) == (min(found.landlock_abi, 11), found.namespaces)
    assert found.broker.state in ("available", "outer", "unavailable")


@pytest.mark.parametrize(
    ("taken", "said"),
    [
        ({"abi": 11}, "Landlock ABI 11, and this kernel has no Landlock"),
        ({"namespaces": True}, "namespaces (mount, pid, ipc): mount namespace: EPERM"),
        ({"broker": True}, "a broker: this kernel has no user notification (Linux 5.0)"),
        ({"broker": True, "abi": 4}, "Landlock ABI 4, and this kernel has no Landlock"),
    ],
)
def test_what_is_missing_is_named(taken, said, monkeypatch):
    """Each requirement has its words on a machine that has little, and none on one that has all."""
    monkeypatch.setattr(needs, "measured", lambda: POOR)
    assert said == missing(**taken)
    with pytest.raises(unittest.SkipTest, match=r"^needs: "):
        require(**taken)
    monkeypatch.setattr(needs, "measured", lambda: ENOUGH)
    assert missing(**taken) is None
    require(**taken)


def test_root_is_a_requirement(monkeypatch):
    """It is about this process."""
    for uid, said in ((0, None), (1000, "root")):
        monkeypatch.setattr(os, "geteuid", lambda uid=uid: uid)
        assert said == missing(root=True)


def test_gpus_are_counted():
    """More than any machine has are missing, and the reason is that of a launch."""
    said = missing(gpu=1000)
    assert said is not None
    assert said.startswith("1000 GPUs: ")
    assert missing(gpu=0) is None


def test_nothing_is_measured_for_nothing(monkeypatch):
    """A test that takes nothing of the kernel costs nothing."""
    monkeypatch.setattr(needs, "measured", None)
    require()


SUITE = """
import unittest
from pyopenshell.testing import require

class Case(unittest.TestCase):
    def test_it(self):
        require(abi=99)
"""


@pytest.mark.parametrize(
    "runner", [("-m", "unittest", "-v", "test_suite"), ("-m", "pytest", "-rs", "-p", "no:cacheprovider")]
)
def test_both_runners_skip(runner, tmp_path):
    """Under unittest and under pytest the test is skipped, with the reason in the runner's output."""
    (tmp_path / "test_suite.py").write_text(SUITE)
    done = subprocess.run([sys.executable, *runner], cwd=tmp_path, capture_output=True, text=True)
    told = done.stdout + done.stderr
    assert "needs: Landlock ABI 99, and this kernel has" in told
    assert 0 == done.returncode, told


def test_a_machine_that_cannot_be_measured(monkeypatch):
    """The reason is the interpreter's last word."""
    needs.measured.cache_clear()
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(OpenShellError, match="cannot be measured: no reason given"):
        needs.measured()
    needs.measured.cache_clear()
