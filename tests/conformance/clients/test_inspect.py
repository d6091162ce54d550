"""inspect-openshell-sandbox: an evaluation whose samples live in sandboxes, through the command."""

import json

import pytest

from tests.conformance.clients.environments import ENVIRONMENTS

INSPECT = ENVIRONMENTS["inspect"]
EXPECTED = {
    "streams": [False, 3, "out\n", "err\n"],
    "input": [0, "given\n"],
    "environment": "hello\nunset\n",
    "folders": [0, "/below\n"],
    "sample_file": "from the sample\n",
    "binary": True,
    "missing": "FileNotFoundError",
    "folder": "IsADirectoryError",
    "denied": ["PermissionError", True],
    "command_unknown": [False, 127],
    "timeout": ["SandboxTimeoutError", "gone\n"],
    "connection": ["openshell", "--tty -- /bin/bash"],
    "evaluation": "success",
}


@pytest.fixture(scope="module")
def told(gateway, open_place):
    """What came of the evaluation, run once; the folder of its sample is one that the policy names."""
    secret, folder, workdir = open_place / "secret", open_place / "task", open_place / "work"
    for place in (folder, workdir):
        place.mkdir()
    workdir.chmod(0o777)
    secret.write_text("secret\n")
    paths = {"read_only": ["/usr", "/lib", "/etc", "/proc"], "read_write": [str(workdir), "/tmp"]}
    policy = {"version": 1, "filesystem_policy": {"include_workdir": True, **paths}}
    (folder / "policy.yaml").write_text(json.dumps(policy))
    yield gateway.client(INSPECT, "inspect_eval.py", folder=folder, workdir=workdir, secret=secret)
    listed = json.loads(gateway.run("sandbox", "list", "-o", "json").stdout)
    assert not listed, "the client has deleted its sandboxes"


@pytest.mark.parametrize("name", EXPECTED)
def test_inspect(told, name):
    """Each check of scripts/inspect_eval.py."""
    assert EXPECTED[name] == told[name]["value"], told[name]["error"]
