"""Sandboxes that stay: what their processes write to of the memory that they share, and what their receipt says."""

import asyncio
import glob
import json
import os

import pytest

from pyopenshell.launch.plan import STEPS
from pyopenshell.planning import RunRequest
from pyopenshell.policy import load
from pyopenshell.supervisor.client import Supervisors, Wanted
from pyopenshell.testing import require

SECONDS = 30
MOST = 6144
"""KiB that the processes of a sandbox with a broker write to. Measured are two thirds: hosts and Pythons differ."""


def family(pid):
    """A process, and all beneath it."""
    found = [pid]
    for path in glob.glob(f"/proc/{pid}/task/*/children"):
        with open(path, encoding="ascii") as file:
            found += [one for child in file.read().split() for one in family(int(child))]
    return found


def written(pid):
    """The KiB that a process has for itself because it wrote to them."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Private_Dirty:"))


@pytest.fixture
def folder(tmp_path_factory, monkeypatch):
    """A folder that sandboxes can work in, with a state folder beside it."""
    made = tmp_path_factory.mktemp("memory")
    monkeypatch.setenv("XDG_STATE_HOME", str(made / "state"))
    work = made / "work"
    for one in (made, work):
        one.mkdir(exist_ok=True)
        one.chmod(0o777)
    return work


def launched(folder, gpu):
    """Launch a sandbox; return its receipt, and what each of its processes wrote to."""

    async def run():
        supervisors = Supervisors()
        request = RunRequest(command=(), programs=("sh",), name="small", workdir=str(folder), gpu=gpu)
        wanted = Wanted(request=request, policy=load.default(), main=None, environ=dict(os.environ), meta={})
        box = await supervisors.launch(wanted)
        try:
            with open(f"{box.record}/receipt.json", "rb") as file:
                receipt = json.load(file)
            return receipt, [written(pid) for pid in family(box.pid)] if os.geteuid() == 0 else []
        finally:
            await box.stop()
            supervisors.close()

    return asyncio.run(asyncio.wait_for(run(), SECONDS))


def test_the_receipt_is_whole_though_two_processes_told_it(folder):
    """Init's arranging child tells a part, and ends; all steps are there, in order, and every rule's outcome."""
    require(namespaces=True)
    receipt, _ = launched(folder, None)
    assert list(STEPS[: STEPS.index("receipt")]) == [step["name"] for step in receipt["steps"]]
    assert {one["grant"] for one in receipt["reach"]} <= {one["grant"] for one in receipt["rules"]}
    assert any(one["actual"] for one in receipt["rules"])
    assert 13 == receipt["canary"]["errno"]


def test_a_sandbox_that_waits_has_little_memory_of_its_own(folder):
    """What making it takes is its template's, or a child's that has ended: hundreds fit on a small host."""
    require(root=True, namespaces=True, broker=True)
    _, each = launched(folder, 0)
    assert 3 == len(each)
    assert sum(each) < MOST
