"""No network: nothing that listens on this host hears of the sandbox."""

import select
import socket

from tests.confined.escape import outside

TABLE = [
    # family, type, protocol, with a network namespace, without one
    (socket.AF_INET, socket.SOCK_STREAM, 0, "ok", "EAFNOSUPPORT"),
    (socket.AF_INET, socket.SOCK_DGRAM, 0, "ok", "EAFNOSUPPORT"),
    (socket.AF_INET6, socket.SOCK_STREAM, 0, "ok", "EAFNOSUPPORT"),
    (socket.AF_INET6, socket.SOCK_DGRAM, 0, "ok", "EAFNOSUPPORT"),
    (socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP, "EPERM", "EAFNOSUPPORT"),
    (socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6, "EPERM", "EAFNOSUPPORT"),
    (socket.AF_INET, 10, 3, "EPERM", "EAFNOSUPPORT"),
    (socket.AF_PACKET, socket.SOCK_RAW, 0, "EAFNOSUPPORT", "EAFNOSUPPORT"),
    (socket.AF_PACKET, socket.SOCK_DGRAM, 0, "EAFNOSUPPORT", "EAFNOSUPPORT"),
    (socket.AF_VSOCK, socket.SOCK_STREAM, 0, "EAFNOSUPPORT", "EAFNOSUPPORT"),
    (socket.AF_ALG, socket.SOCK_SEQPACKET, 0, "EAFNOSUPPORT", "EAFNOSUPPORT"),
    (socket.AF_BLUETOOTH, socket.SOCK_RAW, 1, "EAFNOSUPPORT", "EAFNOSUPPORT"),
    (socket.AF_NETLINK, socket.SOCK_RAW, 0, "ok", "EAFNOSUPPORT"),
    (socket.AF_NETLINK, socket.SOCK_RAW, 9, "EPROTONOSUPPORT", "EAFNOSUPPORT"),
    (socket.AF_NETLINK, socket.SOCK_DGRAM, 12, "EPROTONOSUPPORT", "EAFNOSUPPORT"),
    (socket.AF_NETLINK, socket.SOCK_DGRAM, 15, "EPROTONOSUPPORT", "EAFNOSUPPORT"),
]
SOCKETS = """
for row in given["table"]:
    answer[str(row)] = attempt(lambda: socket.socket(*row).close())
"""
HOST = """
def tcp():
    with socket.create_connection(("127.0.0.1", given["tcp"]), 5) as client:
        client.send(b"out")
def udp():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendto(b"out", ("127.0.0.1", given["udp"]))
answer |= {"tcp": attempt(tcp), "udp": attempt(udp)}
"""
OWN = """
with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname(), 5) as client:
    accepted, _ = server.accept()
    client.send(b"hello")
    answer["tcp"] = accepted.recv(5).decode()
with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as server:
    server.bind(("::1", 0))
    server.sendto(b"hello", server.getsockname())
    answer["udp"] = server.recv(5).decode()
"""


def test_kinds_of_sockets(everywhere):
    """A table of (family, type, protocol): what the sandbox may have at all."""
    column = 3 if outside.has(everywhere, "net") else 4
    expected = {str([int(word) for word in row[:3]]): row[column] for row in TABLE}
    assert expected == everywhere.ask(SOCKETS, table=[[int(word) for word in row[:3]] for row in TABLE])


def test_listeners_on_the_hosts_loopback(everywhere):
    """TCP is refused, and a datagram that could be sent never arrives."""
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        answer = everywhere.ask(HOST, tcp=tcp.getsockname()[1], udp=udp.getsockname()[1])
        arrived, _, _ = select.select([tcp, udp], [], [], 0)
    expected = ("ECONNREFUSED", "ok") if outside.has(everywhere, "net") else ("EAFNOSUPPORT", "EAFNOSUPPORT")
    assert expected == (answer["tcp"], answer["udp"])
    assert [] == arrived


def test_loopback_inside(everywhere):
    """With a network namespace a server and its client in one sandbox talk; else the report says why there is none."""
    if outside.has(everywhere, "net"):
        assert {"tcp": "hello", "udp": "hello"} == everywhere.ask(OWN, "--name", "loopback")
        mechanism = "network namespace with only loopback"
    else:
        everywhere.ask("", "--name", "loopback")
        mechanism = "seccomp filter: only AF_UNIX sockets"
    assert mechanism == everywhere.record("loopback").effective["network"]["mechanism"]
