"""Ways past what a sandbox's mounts hide: sockets that no mount hides, and taking the mounts away."""

import os
import shutil
import socket
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.confined.launch import world


@contextmanager
def listening(path):
    """Somebody's Unix socket at a path, open to everyone."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        if isinstance(path, str):
            os.chmod(path, 0o777)
        server.listen()
        yield


@contextmanager
def folder_in(parent):
    """A folder that everyone may enter."""
    path = tempfile.mkdtemp(prefix="openshell-test.", dir=parent)
    os.chmod(path, 0o755)
    try:
        yield Path(path)
    finally:
        shutil.rmtree(path)


CONNECT = "answer['connect'] = attempt(socket.socket(socket.AF_UNIX).connect, given['path'])"


@pytest.mark.parametrize("kind", world.WORLDS)
def test_sockets_elsewhere_are_reported(sandbox, kind):
    """A socket that no mount hides can be reached whatever the grants say: High, with its path, or refused."""
    sandbox.world = world.WORLDS[kind]
    place = "/var/tmp" if kind == "namespaces" else "/tmp"
    with folder_in(place) as folder, listening(f"{folder}/socket"):
        options = ("-q", "--max-abi", 8, "--name", "open")
        assert {"connect": "ok"} == sandbox.ask(CONNECT, *options, path=f"{folder}/socket")
        refused = sandbox.run("--max-abi", 8, "--", "true", policy=world.policy() | world.HARD)
    finding = sandbox.record("open").findings["isolation.pathname-sockets-open"]
    assert ("High", True) == (finding["severity"], f"{folder}/socket" in finding["message"])
    assert 125 == refused.returncode
    assert "pathname Unix sockets of the host can be connected to" in refused.stderr


MOUNTING = """
answer["umount"] = "ok" if libc.umount2(b"/tmp", 2) == 0 else errno.errorcode[ctypes.get_errno()]
answer["chroot"] = attempt(os.chroot, "/proc/self/root")
pid = os.fork()
if pid == 0:
    os._exit(2 if libc.unshare(0x10020000) else 0 if libc.umount2(b"/tmp", 2) == 0 else 1)
answer["umount in a namespace of one's own"] = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) or "ok"
handle = ctypes.create_string_buffer(b"\\x08\\0\\0\\0\\x01\\0\\0\\0", 64)
answer["by handle"] = syscall(given["open_by_handle_at"], -100, handle, 0)
"""


@pytest.mark.kernels
def test_private_places_stay_in_front(everywhere):
    """Nothing inside can take a mount away, change its root, or open a file past all paths."""
    answer = everywhere.ask(MOUNTING, open_by_handle_at=world.number("open_by_handle_at"))
    assert answer.pop("umount in a namespace of one's own") in (1, 2)
    assert {"umount": "EPERM", "chroot": "EPERM", "by handle": "EPERM"} == answer
