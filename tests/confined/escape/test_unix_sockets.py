"""Unix sockets of the host: out of reach, or reported by name and refused where nothing may be weaker than asked."""

import os
import shutil
import socket
import tempfile

import pytest

from tests.confined.escape import outside
from tests.confined.landlock import harness
from tests.confined.launch import world

RESOLVE_UNIX = 9
"""The Landlock ABI that closes pathname sockets."""
IOCTL_DEV = 5
"""The one that closes devices' ioctls, which nothing stands in for."""
CODE = """
def reach(address):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(address)
for path in given["paths"]:
    answer[path] = attempt(reach, path.replace("@", chr(0)))
"""


def listening(path):
    """Return a socket that anybody on this host may connect to."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path).replace("@", "\0"))
    listener.listen()
    if not str(path).startswith("@"):
        os.chmod(path, 0o777)
    return listener


@pytest.fixture
def in_tmp():
    """A service's socket in a folder under the host's ``/tmp``, as agents and tmux have theirs."""
    folder = tempfile.mkdtemp(prefix="service.", dir="/tmp")
    os.chmod(folder, 0o755)
    with listening(f"{folder}/socket"):
        yield f"{folder}/socket"
    shutil.rmtree(folder)


@pytest.mark.kernels
def test_sockets_of_the_host(everywhere, in_tmp):
    """One in ``/tmp`` and an abstract one: closed by namespaces, else by Landlock, else open and reported.

    With private mounts the first is not there; without, ABI 9 denies it, and below a High finding names it. A network
    namespace has none of the host's abstract sockets; without one ABI 6 denies them.
    """
    abstract = f"@{everywhere.workdir.name}"
    with listening(abstract):
        told = everywhere.ask(CODE, "--name", "sockets", paths=[in_tmp, abstract])
    findings = everywhere.record("sockets").findings
    found = findings.get("isolation.pathname-sockets-open")
    if outside.has(everywhere, "mount"):
        assert ("ENOENT", None) == (told[in_tmp], found)
    elif harness.ABI >= RESOLVE_UNIX:
        assert ("EACCES", None) == (told[in_tmp], found)
    else:
        assert ("ok", "High") == (told[in_tmp], found["severity"])
        assert in_tmp in found["message"]
    is_open = "isolation.abstract-sockets-open" in findings
    if outside.has(everywhere, "net"):
        assert ("ECONNREFUSED", False) == (told[abstract], is_open)
    else:
        assert (("EPERM", False) if harness.ABI >= 6 else ("ok", True)) == (told[abstract], is_open)


@pytest.mark.kernels
def test_hard_requirement_refuses_reachable_sockets(everywhere, in_tmp):
    """Nothing is started: the command's trace is not there, and the operator is told why."""
    done = everywhere.run("--", "/bin/touch", "started", policy=world.policy() | world.HARD)
    if outside.has(everywhere, "mount") and harness.ABI < IOCTL_DEV:
        assert (125, []) == (done.returncode, os.listdir(everywhere.workdir))
        assert "the right ioctl_dev needs Landlock ABI 5" in done.stderr
        assert "Unix sockets" not in done.stderr
    elif outside.has(everywhere, "mount") or harness.ABI >= RESOLVE_UNIX:
        assert (0, ["started"]) == (done.returncode, os.listdir(everywhere.workdir)), done.stderr
    else:
        assert (125, []) == (done.returncode, os.listdir(everywhere.workdir))
        assert "pathname Unix sockets of the host can be connected to" in done.stderr


def test_a_socket_in_a_granted_folder(everywhere):
    """What is no boundary (docs/threat-model.md): the operator granted the folder, and so the socket in it."""
    with listening(everywhere.workdir / "socket") as listener:
        os.chown(everywhere.workdir / "socket", world.IDENTITY, -1)
        path = listener.getsockname()
        assert {path: "ok"} == everywhere.ask(CODE, paths=[path])
