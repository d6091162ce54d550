"""A gateway's server with a tiny service of its own, for tests: texts instead of messages, and every way to fail."""

import asyncio
from contextlib import asynccontextmanager
from typing import Any

import grpc

from pyopenshell.errors import PolicyRefused
from pyopenshell.gateway import auth, configuration, server
from pyopenshell.gateway.certificates import Certificates
from pyopenshell.gateway.endpoint import Endpoint


class Tiny:
    """What the service does; ``ended`` is set when a stream was left by its client."""

    def __init__(self):
        self.ended = asyncio.Event()

    async def Echo(self, request, _context):
        return request

    async def Who(self, _request, _context):
        caller = auth.caller()
        return f"{caller.subject} {caller.provider} {caller.local}"

    async def Refuse(self, request, _context):
        raise PolicyRefused("not here", hint="elsewhere", file=request or None, line=4)

    async def Break(self, request, _context):
        raise RuntimeError(f"secret {request}")

    def Missing(self, _request, _context):
        raise NotImplementedError

    async def Count(self, request, _context):
        try:
            for number in range(int(request)):
                yield str(number)
            if request == "2":
                raise PolicyRefused("enough", code="policy.enough")
            await asyncio.sleep(60 if request == "1" else 0)
        finally:
            self.ended.set()

    async def Join(self, requests, _context):
        return " ".join([text async for text in requests])

    async def Chat(self, requests, context):
        async for text in requests:
            await context.write(text)


def text(data):
    """Bytes as text; what is no UTF-8 fails as a message that cannot be read does."""
    from google.protobuf.message import DecodeError

    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise DecodeError from error


def add(tiny, to):
    """What protoc would generate."""
    ways = {"Count": grpc.unary_stream_rpc_method_handler, "Join": grpc.stream_unary_rpc_method_handler}
    ways |= {"Chat": grpc.stream_stream_rpc_method_handler}
    names = ("Echo", "Who", "Refuse", "Break", "Missing", "Count", "Join", "Chat")
    handlers: dict[str, Any] = {
        name: ways.get(name, grpc.unary_unary_rpc_method_handler)(getattr(tiny, name), text, None) for name in names
    }
    to.add_registered_method_handlers("test.Tiny", handlers)


class Client:
    """Calls the tiny service."""

    def __init__(self, channel):
        self.channel = channel

    async def __call__(self, method, request="", **options):
        options = {"timeout": 10} | options
        return (await self.channel.unary_unary(f"/test.Tiny/{method}", str.encode)(request, **options)).decode()

    async def stream(self, method, request="", **options):
        call = self.channel.unary_stream(f"/test.Tiny/{method}", str.encode)(request, timeout=10, **options)
        return [data.decode() async for data in call]


@asynccontextmanager
async def serving(folder, *, plaintext=None, tls="127.0.0.1:0", services=(), clock=None):
    """Serve on a free port with TLS and on a socket; gives the running server, the service and the certificates."""
    options = {} if clock is None else {"clock": clock}
    certificates = Certificates(f"{folder}/tls", "tester", **options)
    tiny = Tiny()
    running = await server.serve(
        [(add, tiny), *services],
        server.Options(tls, certificates, f"{folder}/gateway.sock", plaintext, auth.own_token(str(folder))),
    )
    try:
        yield running, tiny, certificates
    finally:
        await running.stop(0)


def registered(running, certificates, name="local"):
    """Register the gateway as its own start does."""
    keys = certificates.client.as_dict()
    return configuration.add(name, f"https://{running.tls}", auth_mode=configuration.MTLS, **keys)


def by_socket(running):
    """The gateway, spoken to through its socket."""
    return configuration.Gateway(None, Endpoint("unix", running.socket, 0))
