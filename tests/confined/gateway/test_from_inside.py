"""What a sandbox can do about its own gateway: at most connect to the socket, and never learn what a call needs."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.confined.landlock import harness
from tests.confined.launch import world

CODE = """
answer["socket"] = attempt(socket.socket(socket.AF_UNIX).connect, given["socket"])
answer["port"] = attempt(socket.create_connection, ("127.0.0.1", given["port"]), 5)
for name in ("token", "tls/client.key", "tls/ca.key"):
    answer[name] = attempt(os.open, given["folder"] + "/" + name, os.O_RDONLY)
"""


@pytest.fixture
def short():
    """A folder whose path is short enough for a socket in the state folder beneath it (unix(7))."""
    with tempfile.TemporaryDirectory(prefix="os-", dir="/var/tmp") as folder:
        yield Path(folder)


@pytest.mark.parametrize("kind", world.WORLDS)
def test_neither_token_nor_key_is_read_from_inside(workdir, short, kind):
    """Of a gateway of the same user a sandbox reaches no port, reads no token and no key.

    Without mounts to hide it, and without ABI 9, it can connect to the socket of its own user: that is why calls need
    the token there too.
    """
    if harness.ABI == 0:
        pytest.skip("needs: Landlock")
    if kind != "no namespaces":
        world.needs_namespaces()
    sandbox = world.Sandbox(workdir, short / "state", short)
    sandbox.world = world.WORLDS[kind]
    folder = short / "state/openshell/gateway"
    command = [sys.executable, "-m", "tests.confined.gateway.served", str(folder)]
    root = Path(__file__).parents[3]
    with subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as gateway:
        tls, path, _plaintext = world.read_line(gateway).split()
        port = int(tls.rpartition(":")[2])
        found = sandbox.ask(CODE, "-q", "--max-abi", 8, folder=folder, socket=path, port=port)
        gateway.communicate("")
    reached = found.pop("socket")
    assert (reached == "ok") == (kind != "namespaces" and os.geteuid() != 0), reached
    assert {"port", "token", "tls/client.key", "tls/ca.key"} == found.keys()
    assert "ok" not in found.values()
