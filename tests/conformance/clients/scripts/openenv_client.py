"""openenv-openshell: an environment's server in a sandbox, driven by OpenEnv's own unmodified client."""

from pathlib import Path

from openenv.core.generic_client import GenericEnvClient
from openenv_openshell import OpenShellProvider
from openshell import SandboxClient
from telling import GIVEN, check, raised, tell

IMAGE = "registry.example/echo-env:1"
SERVER = Path(__file__).with_name("openenv_server.py").read_text()
PORT = 8000


OF_AN_IMAGE = {
    "version": 1,
    "filesystem_policy": {
        "include_workdir": False,
        "read_only": ["/usr", "/lib", "/etc", "/app", "/var/log", "/proc", "/dev/urandom"],
        "read_write": ["/sandbox", "/app/data", "/tmp", "/dev/null"],
    },
    "landlock": {"compatibility": "best_effort"},
    "network_policies": {},
}
"""Like the client's own examples: some of these paths only an image has. A folder above them is not made either."""


def provider(**options):
    """Return a provider for the environment, under a policy that holds as it is written or not at all."""
    paths = {"read_only": ["/usr", "/lib", "/etc", "/proc", "/dev/urandom", *GIVEN["read_only"]]}
    policy = {
        "version": 1,
        "filesystem_policy": {"include_workdir": True, **paths, "read_write": ["/dev/null"]},
        "landlock": {"compatibility": "hard_requirement"},
        "network_policies": {},
    }
    settings = {
        "restricted_alpha_cleanup_acknowledged": True,
        "command": [GIVEN["python"], "-c", SERVER, str(PORT)],
        "service_port": PORT,
        "policy": policy,
        "labels": {"openenv.environment": "echo"},
        "startup_timeout_s": 60,
    }
    return OpenShellProvider(**(settings | options))


def sandboxes():
    """Return the sandboxes that there are of this client's."""
    with SandboxClient.from_active_cluster() as client:
        return client.list_all(workspace="default", label_selector="managed-by=openenv-openshell")


def names():
    """Return their names."""
    return [one.name for one in sandboxes()]


@check
def episode():
    """Reset, steps and state over the routed WebSocket; the policy holds; the sandbox is gone at the end."""
    using = provider()
    env = GenericEnvClient.from_docker_image(IMAGE, provider=using).sync()
    with env:
        (listed,) = sandboxes()
        said = env.reset().observation["said"]
        echoed = env.step({"say": "hello from OpenShell"}).observation["said"]
        denied = env.step({"read": GIVEN["secret"]}).observation["result"]
        unreached = env.step({"reach": "192.0.2.1"}).observation["result"]
        steps = env.state()["step_count"]
        metadata = using.metadata
        same = [metadata.sandbox_name, metadata.sandbox_id] == [listed.name, listed.id]
        label = listed.labels["openenv.environment"]
        route = metadata.service_url.startswith("http://127.0.0.1:")
    gone = using.state.deleted and not names()
    refused = [denied in ("EACCES", "ENOENT"), unreached in ("ENETUNREACH", "EACCES", "EPERM")]
    return [said, echoed, refused, steps, same, label, route, gone]


@check
def server_that_ends():
    """A server that ends at once is told as one that never became healthy, and its sandbox is deleted."""
    using = provider(command=["sh", "-c", "exit 3"])
    url = using.start_container(IMAGE)
    error = raised(using.wait_for_ready, url, 1)
    using.stop_container()
    return [type(error).__name__, using.state.deleted, names()]


@check
def name_taken():
    """A name in use is told as such, and its owner is left alone."""
    first = provider(sandbox_name="taken", command=["sleep", "60"])
    first.start_container(IMAGE)
    error = raised(provider(sandbox_name="taken", command=["sleep", "60"]).start_container, IMAGE)
    left = names()
    first.close()
    return [type(error).__name__, "already in use" in str(error), left, names()]


@check
def policy_of_an_image():
    """What this host has not is left out of such a policy; under hard_requirement that is refused."""
    using = provider(policy=OF_AN_IMAGE, command=["sleep", "60"])
    using.start_container(IMAGE)
    made = len(names())
    using.close()
    strict = OF_AN_IMAGE | {"landlock": {"compatibility": "hard_requirement"}}
    error = raised(provider(policy=strict, command=["sleep", "60"]).start_container, IMAGE)
    return [made, type(error).__name__, names()]


@check
def policy_not_taken():
    """What the client's own check refuses never reaches the gateway."""
    error = raised(provider(policy={"version": 1, "unknown": {}}).start_container, IMAGE)
    return [type(error).__name__, names()]


if __name__ == "__main__":
    tell()
