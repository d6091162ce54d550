"""Sockets in openshell's own folders, a gateway's and supervisors': out of sight, and not told to be in view."""

import shutil
import socket
import tempfile
from pathlib import Path

import pytest

from tests.confined.launch import world

CODE = """
connection = socket.socket(socket.AF_UNIX)
answer["connect"] = attempt(connection.connect, given["path"])
"""
HARD = {"version": 1, "filesystem_policy": {"include_workdir": True}, **world.HARD}


@pytest.fixture
def beside(anyone):
    """The command with a state folder in a place that sandboxes see, and a socket in it that its caller may use."""
    world.needs_namespaces()
    anyone.state = Path(tempfile.mkdtemp(prefix="openshell-test.", dir="/var/tmp"))
    anyone.environment["XDG_STATE_HOME"] = str(anyone.state)
    folder = anyone.state / "openshell"
    folder.mkdir(mode=0o700)
    path = folder / "socket"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        path.chmod(0o777)
        listening.listen()
        for place in (anyone.state, folder, path):
            shutil.chown(place, anyone.folder.stat().st_uid)
        yield anyone, path
    shutil.rmtree(anyone.state)


def test_they_are_covered(beside):
    """Whoever may connect to one by its mode cannot from inside, so that hard_requirement holds beside a gateway."""
    sandbox, path = beside
    assert {"connect": "EACCES"} == sandbox.ask(CODE, "--name", "beside", policy=HARD, path=path)
    assert "isolation.pathname-sockets-open" not in sandbox.record("beside").findings
