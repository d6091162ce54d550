"""openshell-agent-runner: a task's whole life through the command, under the newer Debian's Python.

The client brings a container image. Here its files are the host's: the gateway is given mounts of its own, with what
the image would have at /opt/oar and /workspace.
"""

import os
from pathlib import Path

import pytest

from tests.confined.launch import world
from tests.conformance.clients.environments import ENVIRONMENTS
from tests.conformance.clients.gateway import Gateway

RUNNER = ENVIRONMENTS["agent-runner"]
IMAGE = "openshell_agent_runner/harnesses/pi/runtime/image"
WORKSPACE = Path("/workspace")
UID = 1000
"""The user that the packaged policies name."""
EXPECTED = {
    "initialized": [0, [0, 0]],
    "doctor": [0, True, ""],
    "task": [
        [
            "prompt: Look at repository.",
            "input: from the repository",
            f"user: {UID}",
            "workspace: writable",
            "image: read-only",
            "model: some/model",
        ],
        [],
    ],
    "task_that_fails": [1, True, False, []],
    "kept": [0, True, "done\n", []],
}
MOUNTS = """
mount -t tmpfs -o mode=755 tmpfs /opt && mkdir -p /opt/oar/pi && cp "$0"/exec.sh /opt/oar/pi/ && chmod -R a+rX /opt/oar
mount -t tmpfs -o mode=755,uid={uid},gid={uid} tmpfs {workspace}
exec "$@"
"""


@pytest.fixture(scope="module")
def told(open_place):
    """What came of the script, run once."""
    world.needs_root()
    made = not WORKSPACE.exists()
    WORKSPACE.mkdir(exist_ok=True)
    script = MOUNTS.format(uid=UID, workspace=WORKSPACE)
    around = ("unshare", "--mount", "sh", "-e", "-c", script, str(RUNNER.packages / IMAGE))
    folder = open_place / "runner"
    folder.mkdir()
    try:
        with Gateway(open_place, around=around) as gateway:
            yield gateway.client(RUNNER, "agent_runner.py", folder=folder)
    finally:
        if made:
            os.rmdir(WORKSPACE)


@pytest.mark.parametrize("name", EXPECTED)
def test_agent_runner(told, name):
    """Each check of scripts/agent_runner.py, where it is told what it does."""
    assert EXPECTED[name] == told[name]["value"], told[name]["error"]
