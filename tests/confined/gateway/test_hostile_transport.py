"""Hostile clients against a gateway's server: it lets none of them in, stays alive and small, and answers others."""

import os
import random
import socket
import ssl
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest

from pyopenshell.errors import OpenShellError
from pyopenshell.gateway import channel, configuration, issuing, shown, status
from pyopenshell.gateway.certificates import Certificates
from pyopenshell.gateway.endpoint import Endpoint
from tests.confined.gateway.http2 import ATTACKS

ROOT = Path(__file__).parents[3]
TOGETHER, HANDSHAKE = 20, 1
"""Connections that the server of these tests takes at once, and seconds that one may say nothing."""
MEGABYTES = 160
"""By which the server may have grown at its largest, after all that these tests do."""


def echo(connected) -> Any:
    """The call that answers what it is sent."""
    return connected.unary_unary("/test.Tiny/Echo")


class Served:
    """A server that runs: its addresses, its process, and the gateway as its own user knows it."""

    def __init__(self, folder, process):
        self.folder, self.process = folder, process
        self.tls, self.socket, self.plaintext = process.stdout.readline().split()
        keys = Certificates(f"{folder}/tls", "tester").client
        self.gateway = configuration.add("hostile", f"https://{self.tls}", auth_mode="mtls", **keys.as_dict())
        self.largest = self.peak()

    def peak(self):
        """The most memory that it has had, in MiB."""
        told = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(told.partition("VmHWM:")[2].split()[0]) // 1024

    def answers(self, gateway=None):
        """Call it, as the gateway is configured; anew until there is room for one more connection."""
        deadline = time.monotonic() + 10
        while True:
            try:
                with channel.connect(gateway or self.gateway) as connected:
                    return echo(connected)(b"hello", timeout=5) == b"hello"
            except grpc.RpcError as error:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise status.from_rpc(error) from None


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """One server for all of these tests: whatever one of them breaks, the next one sees."""
    folder = str(tmp_path_factory.mktemp("gateway"))
    command = [
        sys.executable,
        "-m",
        "tests.confined.gateway.served",
        folder,
        f"HANDSHAKE={HANDSHAKE}",
        f"CONNECTIONS={TOGETHER}",
    ]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", f"{folder}/config")
        server = Served(folder, process)
        yield server
        assert process.poll() is None
        assert MEGABYTES > server.peak() - server.largest
        process.communicate("")
        assert 0 == process.wait(10)


def refused(gateway):
    """What a client learns that the gateway does not let in."""
    with channel.connect(gateway) as connected, pytest.raises(grpc.RpcError) as error:
        echo(connected)(b"hello", timeout=5)
    return status.from_rpc(error.value)


def strangers(tmp_path, served):
    """Clients that hold certificates which are not good: what is wrong with each, its keys, and what it is told."""
    ca_key = issuing.parse_key(Path(f"{served.folder}/tls/ca.key").read_bytes())
    ca = issuing.parse(Path(f"{served.folder}/tls/ca.crt").read_bytes())
    assert ca is not None
    assert ca_key is not None
    key = issuing.new_key()

    def files(certificate, own=key):
        return {"ca": issuing.pem(ca), "certificate": issuing.pem(certificate), "key": issuing.key_pem(own)}

    def issued(days=0, server=False, signed=ca_key):
        when = datetime.now(UTC) - timedelta(days=days)
        return issuing.issue(issuing.Wanted("tester", server), key, ca, signed, when)

    other = Certificates(f"{tmp_path}/other", "tester").client
    yield "none", {"ca": issuing.pem(ca)}, "no client certificate is registered"
    yield "another authority's", other.as_dict(), "is not of the authority in"
    yield "another authority's, ours trusted", {**other.as_dict(), "ca": issuing.pem(ca)}, "is not of the authority in"
    yield "forged", files(issued(signed=issuing.new_key())), "is not of the authority in"
    yield "expired", files(issued(400)), "is valid from"
    yield "not valid yet", files(issued(-30)), "is valid from"
    yield "a server's", files(issued(server=True)), None
    yield "the authority's own", files(ca, ca_key), None
    yield "somebody's without the key", files(issued(), issuing.new_key()), None


def test_certificates_that_are_not_good(served, tmp_path):
    """No client without a good certificate of the gateway's own authority makes a call; it is told what it can be."""
    for what, files, why in strangers(tmp_path, served):
        gateway = configuration.add("stranger", f"https://{served.tls}", **files)
        assert (what, "gateway.unreachable") == (what, refused(gateway).code)
        told = shown.why_unreachable(gateway)
        assert (what, True) == (what, why is None or why in (told or ""))
        assert served.answers()


def test_insecure_is_about_the_server_alone(served, tmp_path):
    """--gateway-insecure takes any server's certificate; the server still wants a good one of the client's."""
    other = Certificates(f"{tmp_path}/other", "tester").client
    ours = served.gateway.replace(ca=None)
    assert "gateway.unreachable" == refused(ours).code
    assert served.answers(ours.replace(insecure=True))
    stranger = configuration.add("stranger", f"https://{served.tls}", **other.as_dict()).replace(insecure=True)
    assert "gateway.unreachable" == refused(stranger).code


def test_the_wrong_protocol(served):
    """Plaintext at the TLS port and TLS at the plaintext port are closed, and do no harm."""
    for address, scheme in ((served.tls, "http"), (served.plaintext, "https")):
        gateway = served.gateway.replace(endpoint=Endpoint.parse(f"{scheme}://{address}"))
        assert "gateway.unreachable" == refused(gateway).code
    assert served.answers()


def connect(served, way):
    """A connection: to the socket, to the plaintext port, or through TLS as a client that is let in."""
    if way == "socket":
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(served.socket)
        return connection
    host, _, port = (served.plaintext if way == "plaintext" else served.tls).rpartition(":")
    connection = socket.create_connection((host, int(port)), 5)
    if way != "mtls":
        return connection
    context = ssl.create_default_context(cafile=served.gateway.ca)
    context.load_cert_chain(served.gateway.certificate, served.gateway.key)
    context.set_alpn_protocols(["h2"])
    return context.wrap_socket(connection, server_hostname=host)


def send(connection, data):
    """Send as much as is taken, and read what comes until the other side ends it or has nothing to say for a moment."""
    connection.settimeout(0.05)
    received = 0
    try:
        connection.sendall(data)
        while more := connection.recv(1 << 16):
            received += len(more)
    except OSError:  # closed, reset, or nothing more to say
        pass
    return received


@pytest.mark.parametrize("name", ATTACKS)
def test_what_is_no_call(served, name):
    """Whatever is sent, with and without a certificate, the answer is short, and others are answered."""
    for way in ("socket", "plaintext", "tls", "mtls"):
        with connect(served, way) as connection:
            assert 1 << 20 > send(connection, ATTACKS[name])
    assert served.answers()


def test_attacks_that_are_cut_and_mixed(served):
    """Attacks with bytes changed and ends cut off, over and over: the server stays."""
    chance = random.Random(11)
    for _ in range(40):
        data = bytearray(chance.choice(list(ATTACKS.values()))[:4096])
        for _ in range(chance.randrange(1, 20)):
            if data:
                data[chance.randrange(len(data))] = chance.randrange(256)
        with connect(served, chance.choice(("socket", "mtls"))) as connection:
            connection.settimeout(0.01)
            try:
                connection.sendall(data)
                connection.recv(1 << 16)
            except OSError:
                pass
    assert served.answers()


def is_closed(connection):
    """Whether the other side has ended a connection; what else it says (its settings) is not read."""
    connection.setblocking(False)
    try:
        return connection.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


@pytest.mark.parametrize("way", ["socket", "tls"])
def test_connections_that_say_nothing(served, way):
    """More idle connections than are taken: those too many are closed at once, the others soon, and there is room."""
    began = time.monotonic()
    idle = [connect(served, way) for _ in range(2 * TOGETHER)]
    try:
        while sum(is_closed(connection) for connection in idle) < TOGETHER:
            assert 5 > time.monotonic() - began
        assert HANDSHAKE > time.monotonic() - began
        assert served.answers(served.gateway if way == "tls" else None)
        for connection in idle:
            connection.settimeout(10)
            try:
                while connection.recv(1 << 16):
                    pass
            except ConnectionResetError:
                pass
    finally:
        for connection in idle:
            connection.close()


def test_a_message_that_unfolds(served):
    """A small message that would be large when it is unpacked is refused before it is."""
    before = served.peak()
    with channel.connect(served.gateway) as connected:
        call = echo(connected)
        with pytest.raises(grpc.RpcError) as error:
            call(bytes(32 << 20), timeout=20, compression=grpc.Compression.Gzip)
    assert grpc.StatusCode.RESOURCE_EXHAUSTED is error.value.code()
    assert 12 > served.peak() - before


def test_a_message_and_metadata_that_are_too_large(served):
    """A message of more than 4 MiB and headers of more than 16 KiB are refused with a status that says so."""
    with channel.connect(served.gateway) as connected:
        call = echo(connected)
        for options, what in (((bytes(5 << 20), None), "message"), ((b"", [("x-a", "b" * 20_000)]), "metadata")):
            with pytest.raises(grpc.RpcError, match=r"larger than max|exceeds hard limit") as error:
                call(options[0], metadata=options[1], timeout=5)
            assert (what, grpc.StatusCode.RESOURCE_EXHAUSTED) == (what, error.value.code())
        assert b"hello" == call(b"hello", timeout=5)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs: root")
def test_another_user_at_the_socket(served):
    """Another user cannot connect to the socket, and is not spoken to at one of their own."""
    program = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
    answer = subprocess.run(
        [sys.executable, "-c", program, served.socket], user=65534, group=65534, extra_groups=[], capture_output=True
    )
    assert b"PermissionError" in answer.stderr
    gateway = configuration.Gateway(None, Endpoint("unix", served.socket, 0))
    assert served.answers(gateway)
    os.chown(served.socket, 65534, 65534)
    try:
        with pytest.raises(OpenShellError, match="belongs to uid 65534"):
            served.answers(gateway)
    finally:
        os.chown(served.socket, 0, 0)
