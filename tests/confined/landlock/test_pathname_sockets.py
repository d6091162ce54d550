"""Unix sockets by path, across the border of a sandbox: ``resolve_unix``, at every ABI of this kernel."""

from __future__ import annotations

import errno
import os
import socket
from typing import TYPE_CHECKING

import pytest

from pyopenshell.landlock.downgrade import handled
from tests.confined.landlock import harness

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [harness.needs_landlock, pytest.mark.kernels]
CLOSES = 9
"""The ABI that brought the right."""
NEW = pytest.mark.skipif(harness.ABI < CLOSES, reason="needs: Landlock ABI 9")
ALL = handled(harness.ABI, tcp=False)


def call_on(path: Path | str) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


def listening(path: Path) -> socket.socket:
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()
    os.chmod(path, 0o777)
    return server


@pytest.fixture
def outside(workdir: Path) -> Iterator[Path]:
    """The path of a socket that somebody outside listens on, open to everybody by its modes."""
    workdir.chmod(0o755)
    with listening(workdir / "socket"):
        yield workdir / "socket"


@pytest.mark.parametrize("who", harness.WHO)
@pytest.mark.parametrize("abi", harness.ABIS)
def test_outside(abi: int, who: str, outside: Path):
    """From ABI 9 on a socket of a process outside is EACCES without a rule, to root as well."""
    answer = harness.confined(lambda: call_on(outside), handled(abi, tcp=False), uid=harness.identity(who))
    assert (errno.EACCES if abi >= CLOSES else 0) == answer


@NEW
@pytest.mark.parametrize("who", harness.WHO)
@pytest.mark.parametrize("what", ["the socket", "its folder", "a link to it"])
def test_granted(what: str, who: str, outside: Path):
    """A rule on the socket or on a folder above opens it; a link elsewhere counts where it leads."""
    link = outside.parent / "link"
    link.symlink_to(outside)
    rule = outside.parent if what == "its folder" else outside
    path = link if what == "a link to it" else outside
    rules = [(str(rule), ("resolve_unix",))]
    assert 0 == harness.confined(lambda: call_on(path), ALL, rules, uid=harness.identity(who))


def test_inside(workdir: Path):
    """Programs of one sandbox reach each other's sockets."""

    def operation() -> None:
        with listening(workdir / "own"):
            assert harness.in_child(lambda: harness.errno_of(lambda: call_on(workdir / "own"))) == 0

    rules = [(str(workdir), ("make_sock",))]
    assert 0 == harness.confined(operation, ALL, rules)


@NEW
def test_made_before_and_bound_within(workdir: Path):
    """Whose a socket is was settled when it was made: one from before counts as outside."""

    def child() -> int:
        with socket.socket(socket.AF_UNIX) as server:
            harness.enforce(ALL, [(str(workdir), ("make_sock",))])
            server.bind(str(workdir / "late"))
            server.listen()
            return harness.errno_of(lambda: call_on(workdir / "late"))

    assert errno.EACCES == harness.in_child(child)


@NEW
def test_connected_before(outside: Path):
    """A connection from before goes on; a datagram with an address is a new one."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(outside.parent / "datagrams"))

        def child() -> list[int]:
            stream, datagrams = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            stream.connect(str(outside))
            datagrams.connect(server.getsockname())
            harness.enforce(ALL)
            return [
                harness.errno_of(lambda: stream.send(b"word")),
                harness.errno_of(lambda: datagrams.send(b"word")),
                harness.errno_of(lambda: datagrams.sendto(b"word", server.getsockname())),
            ]

        assert [0, 0, errno.EACCES] == harness.in_child(child)


@NEW
def test_a_sibling_is_outside(workdir: Path):
    """A server in another sandbox with the same rules is outside; one in a sandbox within this one is not."""
    rules = [(str(workdir), ("make_sock",))]

    def server(path: Path, client: int) -> int:
        """Listen within a sandbox of its own, and let a process of the one around it connect."""
        ready, done = os.pipe()
        pid = os.fork()
        if pid == 0:
            harness.enforce(ALL, rules)
            with listening(path):
                os.write(done, b"1")
                os.read(client, 1)
            os._exit(0)
        os.close(done)
        assert os.read(ready, 1) == b"1"
        return pid

    def child(sibling: bool) -> int:
        hold, let_go = os.pipe()
        if not sibling:
            harness.enforce(ALL, rules)
        path = workdir / f"{sibling}"
        pid = server(path, hold)
        if sibling:
            harness.enforce(ALL, rules)
        answer = harness.errno_of(lambda: call_on(path))
        os.write(let_go, b"1")
        os.waitpid(pid, 0)
        return answer

    assert errno.EACCES == harness.in_child(lambda: child(True))
    assert 0 == harness.in_child(lambda: child(False))
