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
    assert sockets.MOST == len(sockets.granted(many, FILES, "/work"))
    assert sockets.MOST == len(sockets.in_view(many, FilesystemPolicy(), "/work", ()))


def test_granted():
    """Those in folders that are granted for writing, the working directory among them."""
    assert ("/srv/write/s", "/work/s") == sockets.granted(PATHS, FILES, "/work")
    assert ("/srv/write/s",) == sockets.granted(PATHS, FILES.replace(include_workdir=False), "/work")


@pytest.mark.parametrize(
    ("hide", "expected"),
    [((), ("/srv/other/s", "/tmp/hidden/s", "/tmp/read/s")), (("/tmp",), ("/srv/other/s", "/tmp/read/s"))],
)
def test_in_view(hide, expected):
    """Those that no grant opens and no mount hides; what is declared read-only under one is bound back."""
    assert expected == sockets.in_view(PATHS, FILES, "/work", hide)


def test_every_socket_in_view_is_reported_once():
    """None is both granted and in view."""
    assert not set(sockets.in_view(PATHS, FILES, "/work", ())) & set(sockets.granted(PATHS, FILES, "/work"))
