"""Ports of a sandbox, through ssh and through ``openshell forward``; and what is not forwarded."""

import os
import socket
import threading

from tests.confined.gateway.ssh.tools import SECONDS, openshell


def test_ports(ssh, echo):
    """A port inside is reached through ssh -W; ports of elsewhere, and where nobody listens, are refused in words."""
    data = os.urandom(2 << 20)
    assert data == ssh("-W", "localhost:7777", "alpha", input=data, alone=True).stdout
    assert b"Connection refused" in ssh("-W", "127.0.0.1:7", "alpha", alone=True).stderr
    assert b"not the sandbox's loopback" in ssh("-W", "example.com:80", "alpha", alone=True).stderr


def test_what_is_not_forwarded(ssh):
    """Ports of the client's host, its agent and its sockets stay out of the sandbox."""
    done = ssh("-R", "0:127.0.0.1:22", "alpha", "exit 4", alone=True)
    assert (4, True) == (done.returncode, b"remote port forwarding failed" in done.stderr)
    assert b"<>\n" == ssh("-A", "alpha", 'echo "<$SSH_AUTH_SOCK>"', alone=True).stdout
    assert (
        b"forwarding failed"
        in ssh("-o", "ExitOnForwardFailure=yes", "-R", "/tmp/x:/tmp/y", "alpha", "true", alone=True).stderr
    )


def send(connection, data):
    """Send data, and that there is no more."""
    connection.sendall(data)
    connection.shutdown(socket.SHUT_WR)


def test_forward(echo):
    """``openshell forward``: a port of this host leads inside, in the background, until it is stopped."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    openshell("forward", "start", f"{port}:7777", "alpha", "--background")
    try:
        assert f"alpha    127.0.0.1  {port}" in openshell("forward", "list")
        data = os.urandom(1 << 20)
        with socket.create_connection(("127.0.0.1", port), SECONDS) as connection:
            sender = threading.Thread(target=send, args=(connection, data))
            sender.start()
            assert data == b"".join(iter(lambda: connection.recv(65536), b""))
            sender.join()
        assert "in use" in openshell("forward", "start", str(port), "alpha", code=4)
    finally:
        openshell("forward", "stop", str(port), "alpha")
    assert "no port is forwarded\n" == openshell("forward", "list")
    assert "does not lead" in openshell("forward", "stop", str(port), code=3)
    assert "no sandbox" in openshell("forward", "start", str(port), "nobody", "-d", code=3)
