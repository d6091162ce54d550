"""openenv-openshell: OpenEnv's client, its own server in a sandbox, the gateway's route between them."""

import pytest

from tests.conformance.clients.environments import ENVIRONMENTS
from tests.conformance.clients.gateway import Gateway
from tests.conformance.clients.inside import reachable

OPENENV = ENVIRONMENTS["openenv"]
PINNED = "0.1.2"
"""The only version of a gateway that it takes."""
REFUSED = [True, True]
EXPECTED = {
    "episode": ["ready", "hello from OpenShell", REFUSED, 3, True, "echo", True, True],
    "server_that_ends": ["OpenEnvReadinessTimeout", True, []],
    "name_taken": ["SandboxCreationError", True, ["taken"], []],
    "policy_of_an_image": [1, "SandboxCreationError", []],
    "policy_not_taken": ["PolicyConfigurationError", []],
}


@pytest.fixture(scope="module")
def told(open_place):
    """What came of the script, run once, with a gateway that says it is of the version that this client takes."""
    python = reachable(OPENENV.folder / "bin/python")
    secret = open_place / "secret"
    secret.write_text("secret\n")
    with Gateway(open_place, "--protocol", PINNED) as gateway:
        yield gateway.client(
            OPENENV,
            "openenv_client.py",
            python=python,
            read_only=[OPENENV.folder],
            secret=secret,
        )


@pytest.mark.parametrize("name", EXPECTED)
def test_openenv(told, name):
    """Each check of scripts/openenv_client.py, where it is told what it does."""
    assert EXPECTED[name] == told[name]["value"], told[name]["error"]
