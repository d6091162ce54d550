"""A sandbox started inside a sandbox: the outer's broker serves both, and where there is none the inner says so."""

import json
import os
import shutil
import tempfile
from pathlib import Path

import pytest
import yaml

import pyopenshell
from pyopenshell.effective.settle import OUTER
from tests.confined.broker import harness
from tests.confined.landlock.harness import ABI
from tests.confined.launch import world

pytestmark = harness.needs_landlock
WORLDS = {"namespaces": world.NAMESPACES, "no namespaces": world.NO_NAMESPACES}
INNER = """
import subprocess
place = os.environ.get("TMPDIR", "/tmp") + "/inner"
os.makedirs(place + "/work")
policy = place + "/policy.yaml"
with open(policy, "w") as file:
    json.dump({"version": 1, "runtime": {"cuda_thread_names": given["choice"]}}, file)
environment = {"PATH": os.environ["PATH"], "HOME": place, "XDG_STATE_HOME": place + "/state"}
command = [given["python"], "-I", given["source"] + "/pyopenshell/__main__.py", "run", "-n", "inner", "--gpu", "0"]
program = "import os; p = f'/proc/self/task/{os.getpid()}/comm'; f = os.open(p, os.O_RDWR); os.write(f, b'inner-name');"
program += "print(open(p).read(), end='')"
command += ["-o", "json", "--policy", policy, "--", given["python"], "-I", "-S", "-c", program]
done = subprocess.run(command, cwd=place + "/work", env=environment, capture_output=True, text=True)
answer.update(code=done.returncode, stdout=done.stdout, stderr=done.stderr)
record = place + "/state/openshell/names/inner/"
for name in ("effective", "receipt"):
    if os.path.exists(record + name + ".json"):
        answer[name] = json.load(open(record + name + ".json"))
"""


@pytest.fixture(params=WORLDS)
def inner(request, anyone):
    """Start a sandbox inside one of the outer policy's choice; return what the inner one told, and the outer record.

    Below ABI 5 none can be started there, which is said (launch/test_fail_closed.py).
    """
    if ABI < 5:
        pytest.skip("needs: Landlock ABI 5")
    if not os.access(world.PYTHON, os.X_OK):
        pytest.skip(f"needs: {world.PYTHON}")
    if request.param == "namespaces":
        world.needs_namespaces()
    anyone.world = WORLDS[request.param]
    # Without namespaces an inner sandbox keeps its private folder in /tmp itself, so the outer's state is elsewhere.
    place = Path(tempfile.mkdtemp(prefix="openshell-test.", dir="/var/tmp"))
    os.chown(place, anyone.workdir.stat().st_uid, -1)
    anyone.state = place / "state"
    anyone.environment |= {"XDG_STATE_HOME": str(anyone.state), "XDG_CONFIG_HOME": str(place / "config")}

    # A copy: the checkout may lie where the sandbox has something of its own, in /tmp for one.
    source = place / "lib"
    for package in (pyopenshell, yaml):
        folder = Path(str(package.__file__)).parent
        shutil.copytree(folder, source / folder.name, ignore=shutil.ignore_patterns("__pycache__", "*.so"))

    def start(outer, choice):
        policy = world.policy(read_only=(source,), runtime={"cuda_thread_names": outer})
        if request.param == "no namespaces":
            policy["filesystem_policy"]["read_write"].append("/tmp")
        options = ("-q", "-n", "outer", "--gpu", 0)
        told = anyone.ask(INNER, *options, policy=policy, choice=choice, python=world.PYTHON, source=source)
        return told, anyone.record("outer")

    yield start
    shutil.rmtree(place)


@pytest.mark.parametrize("choice", ["auto", "broker"])
def test_the_outer_broker_serves(inner, choice):
    """The inner program names its thread through the outer's broker, and the inner's report says whose it is."""
    told, outer = inner("broker", choice)
    assert (0, "inner-name\n") == (told["code"], told["stdout"]), told["stderr"]
    (addition,) = told["effective"]["runtime_additions"]
    assert "broker" == addition["mechanism"]
    assert OUTER in json.dumps(addition)
    assert told["receipt"]["broker"]["own"] is False
    assert "around this one" in json.dumps(told["effective"]["findings"])
    counts = outer.exit["broker"]["by_kind"]
    assert counts["granted"] >= 2  # the inner's trial, and its program
    told_of = [event for event in outer.events if event["class_uid"] == 1001 and event["status_id"] == 1]
    assert counts["granted"] == len(told_of)


def test_without_an_outer_broker(inner):
    """Inside a sandbox without one there can be none: the inner falls back, and says why."""
    told, _ = inner("off", "auto")
    findings = {finding["code"]: finding for finding in told["effective"]["findings"]}
    found = findings["cuda.thread-names.write-file"]
    assert ("High", True) == (found["severity"], "forbids a listener" in found["message"])
    assert "denies naming threads at all" in found["message"]
    assert "landlock" == told["effective"]["runtime_additions"][0]["mechanism"]
    assert (1, "") == (told["code"], told["stdout"])  # the outer domain denies it all the same
    assert "PermissionError" in told["stderr"]


def test_insisting_without_an_outer_broker(inner):
    """To insist on a broker there is an error, and nothing starts."""
    told, _ = inner("off", "broker")
    error = json.loads(told["stderr"])["error"]
    assert (125, "cuda.broker-unavailable") == (told["code"], error["code"])
    assert "forbids a listener" in error["message"]
    assert "effective" not in told
