"""The server's frame: errors on the wire, callers, methods that are not there, health, reflection, its end."""

import asyncio
import logging
import os
import socket
import time
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc  # type: ignore[import-untyped]
from openshell import SandboxClient
from openshell._proto import openshell_pb2, openshell_pb2_grpc

from pyopenshell.errors import OpenShellError, PolicyRefused, UsageError
from pyopenshell.gateway import calls, channel, configuration, limits, server, shown, status
from pyopenshell.gateway.endpoint import Endpoint
from tests.unit.gateway import tiny


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """State and configuration of the test's own; gives the gateway's folder."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("OPENSHELL_GATEWAY", "OPENSHELL_GATEWAY_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "gateway"


def run(folder, test, **options):
    """Run a test with a server, a client through TLS, and what the server consists of."""

    async def whole():
        async with tiny.serving(folder, **options) as (running, service, certificates):
            gateway = tiny.registered(running, certificates)
            async with channel.connect_aio(gateway) as connected:
                await test(tiny.Client(connected), running, service, certificates)

    asyncio.run(asyncio.wait_for(whole(), 30))


async def failed(call):
    """What a call raises, as a client of ours sees it."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    return refused.value.code(), status.from_rpc(refused.value)


def test_calls_of_every_kind(folder):
    """One or many messages, either way, and a handler that writes by itself."""

    async def test(client, *_):
        assert "hello" == await client("Echo", "hello")
        assert ["0", "1", "2"] == await client.stream("Count", "3")
        join = client.channel.stream_unary("/test.Tiny/Join", str.encode)
        assert b"a b" == await join(iter("ab"), timeout=10)
        chat = client.channel.stream_stream("/test.Tiny/Chat", str.encode)(iter("ab"), timeout=10)
        assert [b"a", b"b"] == [data async for data in chat]

    run(folder, test)


def test_errors_come_as_they_were_raised(folder):
    """An error of ours has its class, place, message and hint at the client, also behind a stream's messages."""

    async def test(client, *_):
        code, error = await failed(client("Refuse", "p.yaml"))
        expected = (grpc.StatusCode.FAILED_PRECONDITION, PolicyRefused, "p.yaml:4", "not here", "elsewhere")
        assert expected == (code, type(error), error.place, error.message, error.hint)
        call = client.channel.unary_stream("/test.Tiny/Count", str.encode)("2", timeout=10)
        assert [b"0", b"1"] == [await call.read() for _ in range(2)]
        _code, error = await failed(call.read())
        assert "policy.enough" == error.code

    run(folder, test)


def test_a_defect_is_not_shown_but_logged(folder, caplog):
    """A client learns a number; the log has the traceback beneath that number."""

    async def test(client, *_):
        code, error = await failed(client("Break", "word"))
        assert (grpc.StatusCode.INTERNAL, "internal") == (code, error.code)
        assert "secret" not in str(error) + str(error.hint)
        number = error.message.split()[-1]
        (line,) = [record for record in caplog.records if number in record.getMessage()]
        assert "secret word" in str(line.exc_info[1])

    run(folder, test)


@pytest.mark.parametrize("method", ["/test.Tiny/Missing", "/test.Tiny/Unknown", "/other.Service/Do"])
def test_what_nobody_implements_is_named(folder, method):
    """A method that a service lacks, one that no service has, and one of no service are UNIMPLEMENTED, by name."""

    async def test(client, *_):
        for call in (client.channel.unary_unary(method)(b""), client.channel.stream_unary(method)(iter([b"x"]))):
            code, error = await failed(call)
            assert (grpc.StatusCode.UNIMPLEMENTED, "gateway.unimplemented") == (code, error.code)
            assert method in error.message

    run(folder, test)


def test_messages_that_cannot_be_read(folder):
    """A request that is no message of its kind is the caller's mistake, alone and in a stream."""

    async def test(client, *_):
        raw = client.channel.unary_unary("/test.Tiny/Echo")
        join = client.channel.stream_unary("/test.Tiny/Join")
        for call in (raw(b"\xff", timeout=10), join(iter([b"\xff"]), timeout=10)):
            code, error = await failed(call)
            assert (grpc.StatusCode.INVALID_ARGUMENT, "request.malformed") == (code, error.code)

    run(folder, test)


def test_who_calls(folder):
    """A certificate's name through TLS, the gateway's user through the socket and the plaintext port."""

    async def test(client, running, *_):
        assert "tester mtls True" == await client("Who")
        user = server._user()
        async with channel.connect_aio(tiny.by_socket(running)) as connected:
            assert f"{user} token True" == await tiny.Client(connected)("Who")
        token = tiny.by_socket(running).token()
        added = configuration.add("plain", f"http://{running.plaintext}", auth_mode="oidc", token=token)
        async with channel.connect_aio(added) as connected:
            assert f"{user} token True" == await tiny.Client(connected)("Who")

    run(folder, test, plaintext="127.0.0.1:0")


@pytest.mark.parametrize(
    "headers", [(), ("Bearer x",), ("Bearer ",), ("{}",), ("Bearer {}", "Bearer {}"), ("bearer {}",)]
)
def test_the_token_is_wanted(folder, headers, caplog):
    """On the socket and on the plaintext port, nothing but exactly the token lets in; refusals are logged."""

    async def test(_client, running, *_):
        token = tiny.by_socket(running).token()
        metadata = [("authorization", header.format(token)) for header in headers]
        for target in (f"unix:{running.socket}", running.plaintext):
            async with grpc.aio.insecure_channel(target) as connected:
                for method in ("/test.Tiny/Echo", "/none/none", "/grpc.health.v1.Health/Check"):
                    ask: Any = connected.unary_unary(method)
                    call = ask(b"", timeout=10, metadata=metadata)
                    code, error = await failed(call)
                    assert (grpc.StatusCode.UNAUTHENTICATED, "auth.missing") == (code, error.code)
        assert token not in caplog.text

    with caplog.at_level(logging.WARNING):
        run(folder, test, plaintext="127.0.0.1:0")
    assert 6 == caplog.text.count("refused '/")


def test_the_sdk_finds_the_registered_gateway(folder):
    """SandboxClient.from_active_cluster speaks to it with certificates, and with the token over plaintext."""

    class Service(openshell_pb2_grpc.OpenShellServicer):
        async def Health(self, _request, _context):
            return openshell_pb2.HealthResponse(version="0.1.0")

    def call(name):
        configuration.select(name)
        client = SandboxClient.from_active_cluster(timeout=10)
        try:
            return client.health().version
        finally:
            client.close()

    async def test(_client, running, *_):
        token = tiny.by_socket(running).token()
        configuration.add("plain", f"http://{running.plaintext}", auth_mode=configuration.BEARER, token=token)
        for name in ("local", "plain"):
            assert "0.1.0" == await asyncio.to_thread(call, name)

    services = [(openshell_pb2_grpc.add_OpenShellServicer_to_server, Service())]
    run(folder, test, services=services, plaintext="127.0.0.1:0")


def test_health_and_reflection(folder):
    """Both well-known services answer, and reflection lists all services."""

    async def test(client, *_):
        health = health_pb2_grpc.HealthStub(client.channel)
        for name in ("", "test.Tiny"):
            answer = await health.Check(health_pb2.HealthCheckRequest(service=name))
            assert health_pb2.HealthCheckResponse.SERVING == answer.status
        stub = reflection_pb2_grpc.ServerReflectionStub(client.channel)
        answers = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
        listed = [service.name async for answer in answers for service in answer.list_services_response.service]
        expected = {"grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection", "test.Tiny"}
        assert expected == set(listed)

    run(folder, test)


def test_a_stop_lets_calls_end(folder):
    """Health says that it ends, a call that runs is given its time, new ones are not taken, the socket is gone."""

    async def test(client, running, service, _certificates):
        watch = health_pb2_grpc.HealthStub(client.channel).Watch(health_pb2.HealthCheckRequest())
        assert health_pb2.HealthCheckResponse.SERVING == (await watch.read()).status
        chat = client.channel.stream_stream("/test.Tiny/Chat", str.encode)()
        await chat.write("a")
        assert b"a" == await chat.read()
        ended = asyncio.create_task(running.stop(5))
        assert health_pb2.HealthCheckResponse.NOT_SERVING == (await watch.read()).status
        watch.cancel()
        await chat.write("b")
        assert b"b" == await chat.read()
        await chat.done_writing()
        await asyncio.wait_for(ended, 3)
        assert not os.path.exists(running.socket)
        assert "gateway.unreachable" == (await failed(client("Echo")))[1].code

    run(folder, test)


def test_a_client_that_vanishes_ends_the_handler(folder):
    """A stream whose client goes away is ended at once, with what it holds."""

    async def test(client, _running, service, _certificates):
        call = client.channel.unary_stream("/test.Tiny/Count", str.encode)("1")
        assert b"0" == await call.read()
        call.cancel()
        await asyncio.wait_for(service.ended.wait(), 5)

    run(folder, test)


def test_a_renewed_certificate_is_served_at_once(folder):
    """A running server shows a renewed certificate to the next connection, and takes clients with either of theirs."""
    now = [time.time() - 300 * 86400]

    async def test(_client, running, _service, certificates):
        before = certificates.server.certificate
        old = tiny.registered(running, certificates, "old")
        certificates.on_renewal = lambda: tiny.registered(running, certificates)
        now[0] = time.time()
        endpoint = Endpoint.parse(f"https://{running.tls}")
        certificate, _name = await asyncio.to_thread(shown.certificate_and_name, endpoint)
        assert certificate == certificates.server.certificate != before
        new = configuration.load("local")
        assert Path(str(old.certificate)).read_bytes() != Path(str(new.certificate)).read_bytes()
        for gateway in (old, new):
            async with channel.connect_aio(gateway) as connected:
                assert "hello" == await tiny.Client(connected)("Echo", "hello")

    run(folder, test, clock=lambda: now[0])


def test_more_calls_than_are_taken(folder, monkeypatch):
    """Calls beyond the bound are refused, and taken again when others have ended."""
    monkeypatch.setattr(limits, "CALLS", 2)

    async def test(client, *_):
        running = [client.channel.unary_stream("/test.Tiny/Count", str.encode)("1") for _ in range(2)]
        for call in running:
            assert b"0" == await call.read()
        code, error = await failed(client("Echo"))
        assert (grpc.StatusCode.RESOURCE_EXHAUSTED, "limit") == (code, error.code)
        running[0].cancel()
        await until(lambda: client("Echo", "hello"))

    run(folder, test)


async def until(call):
    """Call until it is taken; the bound on the whole test ends it."""
    while True:
        try:
            return await call()
        except grpc.aio.AioRpcError:
            await asyncio.sleep(0)


def test_an_address_in_use(folder):
    """A second server at the same port or socket is refused with the reason, and the first goes on."""

    async def test(client, running, _service, certificates):
        for options in (
            server.Options(running.tls, certificates),
            server.Options(None, socket=running.socket),
            server.Options(None, plaintext=running.plaintext),
        ):
            with pytest.raises(OpenShellError, match=r"Address already in use|another gateway") as refused:
                await server.serve([], options)
            assert "gateway.address" == refused.value.code
        assert "hello" == await client("Echo", "hello")

    run(folder, test, plaintext="127.0.0.1:0")


def test_a_socket_that_a_dead_gateway_left(folder):
    """The socket file of a gateway that was killed is replaced."""
    folder.mkdir(parents=True, mode=0o700)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(f"{folder}/gateway.sock")

    async def test(_client, running, *_):
        async with channel.connect_aio(tiny.by_socket(running)) as connected:
            assert "hello" == await tiny.Client(connected)("Echo", "hello")
        assert 0o600 == os.stat(running.socket).st_mode & 0o777

    run(folder, test)


def test_refusals_do_not_fill_the_log(caplog):
    """Of many refused calls so many a minute are logged, then their number; what a caller sent is escaped."""
    now = [0.0]
    refusals = calls.Refusals(lambda: now[0])
    for _ in range(100):
        refusals.log("/a\nb" * 99, "unix:", "no")
    assert limits.REFUSALS == len(caplog.records)
    assert "\n" not in caplog.records[0].getMessage()
    now[0] = 60.0
    refusals.log("/a", "unix:", "no")
    assert ["refused 70 more calls", "refused '/a' from 'unix:': no"] == [
        record.getMessage() for record in caplog.records[limits.REFUSALS :]
    ]


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "10.1.2.3:5", "example.com:5", ":5"])
def test_plaintext_on_loopback_only(address):
    """No address that others could reach is offered without TLS."""
    with pytest.raises(UsageError, match="loopback"):
        asyncio.run(server.serve([], server.Options(None, plaintext=address)))


def test_a_path_too_long_for_a_socket(folder, caplog):
    """A state folder that is too deep for a socket's path leaves the other addresses, and says so."""

    async def test(*_):
        running = await server.serve([], server.Options(None, socket=f"/{'x' * 120}/s", plaintext="127.0.0.1:0"))
        assert running.socket is None
        await running.stop(0)

    with caplog.at_level(logging.WARNING):
        run(folder, test)
    assert "no Unix socket" in caplog.text
