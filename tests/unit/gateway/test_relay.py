"""What a program in a sandbox is sent of a request to its exposed port, and what is answered in its place."""

import asyncio
import socket

import pytest

from pyopenshell.errors import OpenShellError
from pyopenshell.gateway import relay

OK, CONTINUE, SWITCH = (
    b"HTTP/1.1 %s\r\n" % status for status in (b"200 OK", b"100 Continue", b"101 Switching Protocols")
)
GET = b"GET /a?b HTTP/1.1\r\nHost: 127.0.0.1:80\r\n"


@pytest.mark.parametrize(
    ("sent", "passed"),
    [
        (b"Accept: */*\r\n", b"Host: 127.0.0.1:80\r\nAccept: */*\r\nConnection: close"),
        (b"authorization: Bearer secret\r\n", b"Host: 127.0.0.1:80\r\nConnection: close"),
        (b"Authorization: a\r\nAUTHORIZATION: b\r\n", b"Host: 127.0.0.1:80\r\nConnection: close"),
        (b"Connection: keep-alive\r\nKeep-Alive: 5\r\n", b"Host: 127.0.0.1:80\r\nConnection: close"),
        (
            b"Connection: Upgrade\r\nUpgrade: websocket\r\n",
            b"Host: 127.0.0.1:80\r\nConnection: Upgrade\r\nUpgrade: websocket",
        ),
        (b"Proxy-Authorization: a\r\n", b"Host: 127.0.0.1:80\r\nConnection: close"),
    ],
)
def test_head(sent, passed):
    """Credentials are taken away, and a connection is for one request, or for what it is upgraded to."""
    head = b"GET /a?b HTTP/1.1\r\n" + passed + b"\r\n\r\n"
    assert head == relay.passed_on(GET + sent + b"\r\n", with_authorization=False)


@pytest.mark.parametrize("host", [b"localhost", b"LOCALHOST:80", b"[::1]:80", b"127.0.0.1"])
def test_names_of_this_host(host):
    """Any way in which a client here can name it is taken."""
    assert relay.passed_on(b"GET / HTTP/1.1\r\nHost:" + host + b"\r\n\r\n", with_authorization=False)


def test_authorization_that_is_passed_on():
    """Where that was asked for."""
    passed = relay.passed_on(GET + b"Authorization: a\r\n\r\n", with_authorization=True)
    assert passed == GET + b"Authorization: a\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize(
    "head",
    [
        b"\x16\x03\x01\x02\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: b\r\n Authorization: folded\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: b\nAuthorization: bare\r\n\r\n",
        b"GET / HTTP/1.1\r\nA : b\r\n\r\n",
        b"GET / HTTP/1.1\r\nno field\r\n\r\n",
        b"GET /\r\nHost: 127.0.0.1:80\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: evil.example:80\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost.evil.example\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
    ],
)
def test_no_request(head):
    """What servers would read in different ways, or what is for another host, is refused whole."""
    assert relay.passed_on(head, with_authorization=False) is None


async def _asked(connect, *sent):
    """Return what a client gets that sends this to a relay, and ends."""
    async with await asyncio.start_server(
        lambda reader, writer: _carried(reader, writer, connect), "127.0.0.1", 0, limit=relay.HEAD
    ) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        for part in sent:
            writer.write(part)
            await writer.drain()
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
    return answer


async def _carried(reader, writer, connect):
    await relay.carry(reader, writer, connect)
    writer.close()


def _program(answer):
    """Return what connects to a program that reads a request's head and body of four bytes, and answers."""
    running = []

    async def serve(connection):
        reader, writer = await asyncio.open_connection(sock=connection)
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(answer + head + await reader.readexactly(4))
        writer.close()

    async def connect():
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        running.append(asyncio.create_task(serve(theirs)))
        return ours

    return connect


def test_both_ways():
    """The body follows the head, and the answer comes back; then the connection ends."""
    answer = asyncio.run(_asked(_program(OK + b"\r\n"), GET + b"Authorization: a\r\n\r\n", b"body"))
    assert answer == OK + b"Connection: close\r\n\r\n" + GET + b"Connection: close\r\n\r\nbody"


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        (OK + b"connection: keep-alive\r\nKeep-Alive: timeout=9\r\n\r\n", OK + b"Connection: close\r\n\r\n"),
        (CONTINUE + b"\r\n" + OK + b"A: b\r\n\r\n", CONTINUE + b"\r\n" + OK + b"A: b\r\nConnection: close\r\n\r\n"),
        (b"HTTP/1.1 404\r\n\r\n", b"HTTP/1.1 404\r\nConnection: close\r\n\r\n"),
        (SWITCH + b"Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n",) * 2,
    ],
)
def test_a_client_does_not_come_again(said, heard):
    """A program that keeps a connection open would be sent the next request with its credentials: it cannot."""
    answer = asyncio.run(_asked(_program(said), GET + b"\r\n", b"body"))
    assert answer.startswith(heard + GET)


@pytest.mark.parametrize(
    "said", [b"", b"SEEN\r\n\r\n", OK + b"A\r\n\r\n", OK + b"A: b\r C: d\r\n\r\n", OK + b"A: b\nC: d\r\n\r\n"]
)
def test_no_answer(said):
    """What clients would read in different ways is not passed on."""
    answer = asyncio.run(_asked(_program(said), GET + b"\r\n", b"body"))
    assert answer.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")


async def _stopped():
    raise OpenShellError("sandbox demo does not run: it is stopped")


async def _nobody():
    raise ConnectionRefusedError(111, "Connection refused")


@pytest.mark.parametrize(
    ("connect", "sent", "status", "text"),
    [
        (_stopped, GET + b"\r\n", b"503 Service Unavailable", b"sandbox demo does not run: it is stopped\n"),
        (
            _nobody,
            GET + b"\r\n",
            b"502 Bad Gateway",
            b"the program in the sandbox cannot be reached: Connection refused\n",
        ),
        (
            _nobody,
            b"nonsense\r\n\r\n",
            b"400 Bad Request",
            b"this is not a request of HTTP/1 to 127.0.0.1 or localhost\n",
        ),
    ],
)
def test_answered_in_its_place(connect, sent, status, text):
    """Whoever asks is told in words why no program answers."""
    answer = asyncio.run(_asked(connect, sent))
    assert answer.startswith(b"HTTP/1.1 " + status + b"\r\n")
    assert answer.endswith(b"\r\n\r\n" + text)


def test_a_head_without_end():
    """What never becomes a request is not kept in memory: the connection ends."""
    assert asyncio.run(_asked(_nobody, b"GET / HTTP/1.1\r\nA: " + b"a" * (2 * relay.HEAD))) == b""
