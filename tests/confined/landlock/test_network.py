"""TCP and UDP rights on loopback, at every ABI of this kernel."""

from __future__ import annotations

import errno
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import pytest

from pyopenshell.landlock.abi import RIGHTS
from pyopenshell.landlock.downgrade import handled
from tests.confined.landlock import harness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = harness.needs_landlock

NET_RIGHTS = {right.name: right for right in RIGHTS if right.kind == "net"}
HERE, BESIDE = "127.0.0.1", "127.0.0.2"


@contextmanager
def listener(kind: socket.SocketKind) -> Iterator[int]:
    """Listen on a free port of 127.0.0.1; the same port of 127.0.0.2 is free then."""
    with socket.socket(socket.AF_INET, kind) as server:
        server.bind((HERE, 0))
        if kind == socket.SOCK_STREAM:
            server.listen()
        yield server.getsockname()[1]


def bind(kind: socket.SocketKind, port: int) -> None:
    with socket.socket(socket.AF_INET, kind) as server:
        server.bind((BESIDE, port))


def connect(kind: socket.SocketKind, port: int) -> None:
    with socket.socket(socket.AF_INET, kind) as client:
        client.connect((HERE, port))


def send(kind: socket.SocketKind, port: int) -> None:
    with socket.socket(socket.AF_INET, kind) as client:
        client.sendto(b"word", (HERE, port))


class Row(NamedTuple):
    """One right and an operation; ``also`` are rules it takes besides."""

    right: str
    kind: socket.SocketKind
    operation: Callable[[socket.SocketKind, int], None]
    also: tuple[tuple[str, int], ...] = ()


ROWS = (
    Row("bind_tcp", socket.SOCK_STREAM, bind),
    Row("connect_tcp", socket.SOCK_STREAM, connect),
    Row("bind_udp", socket.SOCK_DGRAM, bind),
    # Sending from an unbound socket binds it, to "port 0".
    Row("connect_send_udp", socket.SOCK_DGRAM, send, also=(("bind_udp", 0),)),
)


UDP = pytest.mark.skipif(harness.ABI < 10, reason="needs: Landlock ABI 10")
ALL = handled(harness.ABI, tcp=True, udp=True)


def test_every_right_of_the_table_has_a_row():
    """No network right can be added without saying, here, what it denies."""
    assert list(NET_RIGHTS) == [row.right for row in ROWS]


@pytest.mark.parametrize("who", harness.WHO)
@pytest.mark.parametrize("abi", harness.EACH_ABI)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.right)
def test_port(row: Row, abi: int, who: str):
    """A port without a rule, or with one for another port, is EACCES; with its rule it is open; older ABIs: all are."""
    uid = harness.identity(who)
    handles = handled(abi, tcp=True, udp=True)
    known = abi >= NET_RIGHTS[row.right].abi
    with listener(row.kind) as port:
        answers = [
            harness.confined(lambda: row.operation(row.kind, port), handles, ports=ports if known else (), uid=uid)
            for ports in ((), ((row.right, port), *row.also), ((row.right, port ^ 1), *row.also))
        ]
    assert ([errno.EACCES, 0, errno.EACCES] if known else [0, 0, 0]) == answers


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.right)
def test_not_handled_is_not_restricted(row: Row):
    """Without tcp and udp in ``handled`` (inside a network namespace) loopback stays open."""
    with listener(row.kind) as port:
        handles = handled(harness.ABI, tcp=False)
        assert harness.confined(lambda: row.operation(row.kind, port), handles) == 0


@UDP
@pytest.mark.kernels
@pytest.mark.parametrize("operation", [connect, send])
@pytest.mark.parametrize(
    ("rights", "allowed"),
    [(("connect_send_udp",), False), (("bind_udp",), False), (("connect_send_udp", "bind_udp"), True)],
)
def test_udp_clients_need_two_rules(operation: Callable[..., None], rights: tuple[str, ...], allowed: bool):
    """The port to send to, and port 0 to be bound to on the way: either alone is EACCES, for connect too."""
    with listener(socket.SOCK_DGRAM) as port:
        ports = [(right, port if right == "connect_send_udp" else 0) for right in rights]
        assert (0 if allowed else errno.EACCES) == harness.confined(
            lambda: operation(socket.SOCK_DGRAM, port), ALL, ports=ports
        )


@UDP
@pytest.mark.kernels
def test_udp_servers_hear_without_a_rule_and_answer_with_one():
    """A socket bound before the sandbox receives from anybody; its answer is sent, and takes the client's port."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
    ):
        server.bind((HERE, 0))
        client.bind((HERE, 0))

        def answer() -> None:
            assert server.recv(8) == b"question"
            server.sendto(b"answer", client.getsockname())

        for ports in ((), (("connect_send_udp", client.getsockname()[1]),)):
            client.sendto(b"question", server.getsockname())
            assert (0 if ports else errno.EACCES) == harness.confined(answer, ALL, ports=ports)
        client.setblocking(False)
        assert client.recv(8) == b"answer"
