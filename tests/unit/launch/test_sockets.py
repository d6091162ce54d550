"""Sockets of the host, sorted by what opens or hides them."""

import errno
import os
import socket

import pytest

from pyopenshell.launch import sockets
from pyopenshell.policy.model import DeclaredPath, FilesystemPolicy

FILES = FilesystemPolicy(True, (DeclaredPath("/tmp/read"),), (DeclaredPath("/srv/write"),))
PATHS = ("/srv/other/s", "/srv/write/s", "/tmp/hidden/s", "/tmp/read/s", "/work/s")


def test_reachable(tmp_path):
    """A socket with a path is found, whoever made it; file modes decide whether it can be connected to."""
    path = str(tmp_path / "socket")
    for number in (0, errno.EACCES):
        asked: list[int] = []

        def ask(paths, mode, number=number, asked=asked):
            asked.append(mode)
            return dict.fromkeys(paths, number)

        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path)
            server.listen()
            assert (number == 0) == (path in sockets.reachable(ask))
        os.unlink(path)
        assert [os.W_OK] == asked


def test_a_finding_names_a_score_at_most():
    """However many there are."""
    many = tuple(f"/srv/write/{number}" for number in range(99))
    assert sockets.MOST == len(sockets.granted(many, FILES, "/work", ()))
    assert sockets.MOST == len(sockets.in_view(many, FilesystemPolicy(), "/work", ()))


def test_granted():
    """Those in folders that are granted for writing, the working directory among them."""
    assert ("/srv/write/s", "/work/s") == sockets.granted(PATHS, FILES, "/work", ())
    assert ("/srv/write/s",) == sockets.granted(PATHS, FILES.replace(include_workdir=False), "/work", ())


@pytest.mark.parametrize(
    ("hide", "expected"),
    [((), ("/srv/other/s", "/tmp/hidden/s", "/tmp/read/s")), (("/tmp",), ("/srv/other/s", "/tmp/read/s"))],
)
def test_in_view(hide, expected):
    """Those that no grant opens and no mount hides; what is declared read-only under one is bound back."""
    assert expected == sockets.in_view(PATHS, FILES, "/work", hide)


ROOT = FilesystemPolicy(False, (DeclaredPath("/"),), ())
ROOT_WRITABLE = FilesystemPolicy(False, (), (DeclaredPath("/"),))


def test_a_folder_above_a_private_mount_shows_nothing_in_it():
    """What is granted with all of ``/`` is the sandbox's own ``/tmp``, not the host's."""
    assert ("/srv/other/s", "/srv/write/s", "/work/s") == sockets.in_view(PATHS, ROOT, "/work", ("/tmp",))
    assert ("/srv/other/s", "/srv/write/s", "/work/s") == sockets.granted(PATHS, ROOT_WRITABLE, "/work", ("/tmp",))


def test_a_relative_name(tmp_path, monkeypatch):
    """Where it lies is not known: it counts as in view, wherever mounts hide something, and never as granted."""
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("no-folder.sock")
        server.listen()
        found = sockets.reachable(lambda paths, _mode: dict.fromkeys(paths, errno.EACCES))
    assert ("no-folder.sock",) == found
    seen = sockets.in_view(found, FILES, "/work", ("/run", "/tmp", "/dev/shm"))
    assert (f"no-folder.sock ({sockets.RELATIVE})",) == seen
    assert () == sockets.granted(found, FILES, "/work", ())


def test_only_what_can_be_reached(tmp_path):
    """A stream socket that does not listen refuses; a datagram one takes what is sent to it."""
    bound, datagram = str(tmp_path / "bound"), str(tmp_path / "datagram")
    with socket.socket(socket.AF_UNIX) as one, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as two:
        one.bind(bound)
        two.bind(datagram)
        found = sockets.reachable(lambda paths, _mode: dict.fromkeys(paths, 0))
    assert (False, True) == (bound in found, datagram in found)


def test_every_socket_in_view_is_reported_once():
    """None is both granted and in view."""
    assert not set(sockets.in_view(PATHS, FILES, "/work", ())) & set(sockets.granted(PATHS, FILES, "/work", ()))
