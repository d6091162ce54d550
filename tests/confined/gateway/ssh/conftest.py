"""A gateway for the tests of SSH, a sandbox in it, and OpenSSH with the configuration that the command prints."""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from openshell._proto import openshell_pb2 as messages
from openshell._proto import openshell_pb2_grpc

from pyopenshell.gateway import channel, configuration
from pyopenshell.testing import require
from tests.confined.gateway.ssh.tools import SECONDS, begun, make, openshell

SERVE = "from pyopenshell.gateway import main; main.run(main.Options(tls='127.0.0.1:0'), lambda _: print(flush=True))"
LISTENER = "import socket; s = socket.create_server(('127.0.0.1', 7777)); print('listening', flush=True)\n"
ECHO = LISTENER + (
    "while True:\n c = s.accept()[0]\n for data in iter(lambda: c.recv(65536), b''): c.sendall(data)\n c.close()"
)


@pytest.fixture(scope="package", autouse=True)
def place():
    """A folder that sandboxes can enter, in which everything of this module's gateway lies."""
    folder = Path(tempfile.mkdtemp(prefix="openshell-test."))
    folder.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        # What OpenSSH's configuration and a shell would take for something else, in the paths they get.
        for name, part in (("STATE", "state"), ("CONFIG", "con fig'%h"), ("DATA", "data")):
            patch.setenv(f"XDG_{name}_HOME", str(folder / part))
            (folder / part).mkdir()
        for name in ("OPENSHELL_GATEWAY", "OPENSHELL_GATEWAY_ENDPOINT", "LC_ALL"):
            patch.delenv(name, raising=False)
        yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="package")
def service(place):
    """The methods of a gateway that runs for this module, with a client's certificate."""
    require(namespaces=True)
    if shutil.which("ssh") is None:
        pytest.skip("needs: openssh-client")
    if os.geteuid() not in {entry.pw_uid for entry in pwd.getpwall()}:
        pytest.skip("needs: an account for whoever tests, which OpenSSH asks for")
    with (place / "gateway.log").open("wb") as log:
        gateway = subprocess.Popen([sys.executable, "-c", SERVE], stdout=subprocess.PIPE, stderr=log, cwd="/")
    assert gateway.stdout is not None
    assert gateway.stdout.readline() == b"\n", (place / "gateway.log").read_text()
    chosen = configuration.chosen()
    assert chosen is not None
    with channel.connect(chosen) as connection:
        stub = openshell_pb2_grpc.OpenShellStub(connection)
        try:
            yield stub
        finally:
            for one in stub.ListSandboxes(messages.ListSandboxesRequest()).sandboxes:
                stub.DeleteSandbox(messages.DeleteSandboxRequest(name=one.metadata.name))
            gateway.terminate()
            gateway.wait(SECONDS)
            gateway.stdout.close()
    log_text = (place / "gateway.log").read_text()
    # gRPC's answer to what is written to a client that has just vanished.
    assert log_text.count("Traceback") == log_text.count("ExecuteBatchError: "), log_text


@pytest.fixture(scope="package")
def config(service, place):
    """OpenSSH's configuration for the sandbox alpha, as the command prints it."""
    make(service, "alpha")
    path = place / "ssh_config"
    path.write_text(openshell("sandbox", "ssh-config", "alpha"))
    return str(path)


@pytest.fixture(scope="package")
def shared(config, place):
    """Options for one connection that many clients share: each of them is faster then."""
    path = ("-o", f"ControlPath={place}/shared")
    yield (*path, "-o", "ControlMaster=auto", "-o", f"ControlPersist={SECONDS}")
    subprocess.run(["ssh", "-F", config, *path, "-O", "exit", "alpha"], capture_output=True, timeout=SECONDS)


@pytest.fixture
def ssh(config, shared):
    """Run ssh, or another program of OpenSSH's, with that configuration; ``alone``: over a connection of its own."""

    def run(*words, program="ssh", alone=False, **options):
        settings = {"capture_output": True, "timeout": SECONDS, "check": False}
        if "input" not in options:
            settings["stdin"] = subprocess.DEVNULL
        return subprocess.run([program, "-F", config, *(() if alone else shared), *words], **(settings | options))

    return run


@pytest.fixture
def echo(config):
    """A server inside that sends back what it gets, on port 7777 of the sandbox's loopback."""
    with begun(config, "alpha", f'exec python3 -c "{ECHO}"') as (_, output):
        assert b"listening\n" == output.readline()
        yield
