"""Abstract Unix sockets and signals across the border of a sandbox, at every ABI of this kernel."""

from __future__ import annotations

import errno
import os
import signal
import socket

import pytest

from pyopenshell.landlock.downgrade import handled
from tests.confined.landlock import harness

pytestmark = harness.needs_landlock


def call_on(name: str) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(name)


@pytest.mark.parametrize("who", harness.WHO)
@pytest.mark.parametrize("abi", harness.EACH_ABI)
def test_abstract_socket_outside(abi: int, who: str):
    """From ABI 6 on, connecting to an abstract socket of a process outside is EPERM."""
    uid = harness.identity(who)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(b"")  # the kernel picks an abstract name
        server.listen()
        name = server.getsockname()
        answer = harness.confined(lambda: call_on(name), handled(abi, tcp=False), uid=uid)
    assert (errno.EPERM if abi >= 6 else 0) == answer


@pytest.mark.parametrize("who", harness.WHO)
@pytest.mark.parametrize("abi", harness.EACH_ABI)
def test_signal_outside(abi: int, who: str):
    """From ABI 6 on, signalling a process outside is EPERM, though its user is the same."""
    uid = harness.identity(who)
    with harness.bystander(uid) as pid:
        answer = harness.confined(lambda: os.kill(pid, 0), handled(abi, tcp=False), uid=uid)
    assert (errno.EPERM if abi >= 6 else 0) == answer


def test_abstract_socket_inside():
    """Processes of one sandbox reach each other's abstract sockets."""

    def operation() -> None:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(b"")
            server.listen()
            name = server.getsockname()
            assert harness.in_child(lambda: harness.errno_of(lambda: call_on(name))) == 0

    assert harness.confined(operation, handled(harness.ABI, tcp=False)) == 0


def test_signal_inside():
    """A process can signal its own children."""

    def operation() -> None:
        with harness.bystander() as pid:
            os.kill(pid, signal.SIGCONT)

    assert harness.confined(operation, handled(harness.ABI, tcp=False)) == 0


@pytest.mark.skipif(harness.ABI < 6, reason="needs: Landlock ABI 6")
@pytest.mark.parametrize("outer", [False, True])
def test_siblings_are_outside_each_other(outer: bool):
    """Two sandboxes with equal rules are two domains: neither signals the other, within an outer one neither."""
    handles = handled(6, tcp=False)

    def operation() -> int:
        if outer:
            harness.enforce(handles)
        with harness.bystander(handled=handles) as pid:
            os.kill(pid, 0)
            return harness.confined(lambda: os.kill(pid, 0), handles)

    assert errno.EPERM == harness.in_child(operation)
