"""The SDK, ``openshell`` of the registry: create, wait, exec, list, policies, delete, as its users write it."""

import shutil

import pytest

from tests.conformance.clients.environments import ENVIRONMENTS, base_python

SDK = ENVIRONMENTS["openshell"]
LABELS = {"suite": "conformance", "client": "openshell-sdk", "role": "kept"}
EXPECTED = {
    "health": [True, ["0", "1"]],
    "created": ["kept", "default", LABELS, "SANDBOX_PHASE_READY", True],
    "name_taken": ["ALREADY_EXISTS", True],
    "name_not_valid": ["INVALID_ARGUMENT", ["name"]],
    "name_unknown": ["NOT_FOUND", "pyopenshell"],
    "policy_not_valid": ["INVALID_ARGUMENT", True],
    "streams": [7, "out\n", "err\n"],
    "streams_in_time": [["first\n", "second\n"], True, 0, "first\nsecond\n"],
    "stdin": [0, True, ""],
    "no_stdin": [0, "", ""],
    "large_output": [0, True],
    "environment": [0, "hello world\n", ""],
    "path_of_the_call": [0, "found\n", ""],
    "workdir": [0, "/tmp\n", ""],
    "arguments": [0, "<two words><><line\nbreak><$HOME><é>", ""],
    "signals": 137,
    "command_unknown": [127, "", True],
    "timeouts": [124, "begun\n", True],
    "long_timeout": 0,
    "python_function": [0, "42\n", ""],
    "is_confined": [0, True, True, ""],
    "listed": [["kept", "second"], [1, 1], ["second"], ["kept", "second"], True, []],
    "policy_revised": [1, True, ["pypi.org"], "FAILED_PRECONDITION", "alive\n"],
    "policy_is_as_declared": True,
    "main_process": ["SANDBOX_PHASE_COMPLETED", 5, "served\n"],
    "stopped_and_started": ["FAILED_PRECONDITION", "kept\n"],
    "context": [0, "in", "x\n", "NOT_FOUND"],
    "workspaces": True,
    "not_served": ["UNIMPLEMENTED", True],
    "deleted": [[], "NOT_FOUND", "ALREADY_ABSENT", []],
}


@pytest.fixture(scope="module")
def told(gateway, open_place):
    """What came of the script, run once."""
    folder, secret = open_place / "inside", open_place / "secret"
    shutil.copytree(SDK.packages / "cloudpickle", folder / "cloudpickle", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "python").symlink_to(base_python())  # what exec_python calls; Debian has only a python3
    (folder / "only-here").write_text("#!/bin/sh\necho found\n")
    (folder / "only-here").chmod(0o755)
    secret.write_text("secret\n")
    return gateway.client(SDK, "sdk.py", folder=folder, secret=secret)


@pytest.mark.parametrize("name", EXPECTED)
def test_sdk(told, name):
    """Each check of scripts/sdk.py, where it is told what it does."""
    assert EXPECTED[name] == told[name]["value"], told[name]["error"]


def test_no_check_is_left_out(told):
    """What the script does is all compared."""
    assert list(EXPECTED) == list(told)
