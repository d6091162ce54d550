"""RPCs for ways into a sandbox: tokens, SSH, and single ports."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

from google.protobuf.timestamp_pb2 import Timestamp
from openshell._proto import openshell_pb2

from pyopenshell.errors import OpenShellError, SandboxGone, UsageError
from pyopenshell.gateway.box import NotRunning
from pyopenshell.gateway.scope import workspace_of
from pyopenshell.gateway.ssh import ports
from pyopenshell.gateway.ssh.link import OVERFULL, Link
from pyopenshell.gateway.ssh.tokens import Tokens, digest_of
from pyopenshell.gateway.ssh.tunnel import HOST_KEY
from pyopenshell.gateway.ssh.visit import Visit, Visits
from pyopenshell.gateway.store import DEFAULT_WORKSPACE

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
    from typing import Any

    from pyopenshell.gateway.endpoint import Endpoint
    from pyopenshell.gateway.engine import Engine
    from pyopenshell.gateway.ssh.hostkey import HostKeys

    Frames = AsyncIterator[openshell_pb2.TcpForwardFrame]

FRAME = 1 << 20
"""The most bytes that a client may send at once."""
TOKEN = 512
"""Characters of what may be a token."""
PATIENCE = 20.0
"""Seconds until a stream must have said what it is for."""
_CHUNK = 64 << 10


class Ssh:
    """Ways into sandboxes."""

    def __init__(
        self, engine: Engine, keys: HostKeys, *, tokens: Tokens | None = None, endpoint: Endpoint | None = None
    ) -> None:
        """Serve an engine's sandboxes. ``endpoint`` is what clients are told as the gateway's address."""
        self._engine, self._keys, self._endpoint = engine, keys, endpoint
        self._tokens = tokens or Tokens(engine.store)
        self._visits = Visits()
        self._aside: set[asyncio.Task[None]] = set()

    async def CreateSshSession(  # noqa: N802
        self, request: openshell_pb2.CreateSshSessionRequest, context: Any
    ) -> openshell_pb2.CreateSshSessionResponse:
        """Return a token for one sandbox, which must run, and what an SSH client must know of it."""
        workspace = workspace_of(request)
        sandbox = await self._engine.get(workspace, request.sandbox)
        await self._engine.supervised(workspace, request.sandbox)
        text, expires = await self._tokens.issue(sandbox.id)
        expiration = Timestamp()
        expiration.FromMilliseconds(expires)
        response = openshell_pb2.CreateSshSessionResponse(
            sandbox_id=sandbox.id,
            token=text,
            host_key_fingerprint=self._keys.fingerprint(sandbox.id),
            expiration_time=expiration,
        )
        context.set_trailing_metadata(((HOST_KEY, self._keys.public(sandbox.id)),))
        if self._endpoint is not None:
            response.gateway_scheme = self._endpoint.scheme
            response.gateway_host, response.gateway_port = self._endpoint.host, self._endpoint.port
        return response

    async def RevokeSshSession(  # noqa: N802
        self, request: openshell_pb2.RevokeSshSessionRequest, _context: object
    ) -> openshell_pb2.RevokeSshSessionResponse:
        """Revoke a token, and end the connections that it opened."""
        if not 0 < len(request.token) <= TOKEN:
            raise UsageError("RevokeSshSession needs the token that is to be revoked")
        revoked = await self._tokens.revoke(request.token)
        self._visits.revoked(digest_of(request.token))
        if not revoked and not request.allow_missing:
            raise NoSuchSession("there is no such SSH session, or it has ended", hint="allow_missing accepts that")
        outcome = openshell_pb2.DELETION_OUTCOME_COMPLETED if revoked else openshell_pb2.DELETION_OUTCOME_ALREADY_ABSENT
        return openshell_pb2.RevokeSshSessionResponse(outcome=outcome)

    async def ForwardTcp(self, requests: Frames, _context: object) -> Frames:  # noqa: N802
        """Connect a client to a sandbox: to an SSH server for it, or to a port inside. The token comes first."""
        requests = aiter(requests)
        init = await _init(requests)
        target = init.WhichOneof("target")
        workspace = init.workspace or DEFAULT_WORKSPACE
        sandbox = await self._engine.get(workspace, init.sandbox)
        supervised = await self._engine.supervised(workspace, init.sandbox)
        visit = Visit(sandbox.id, digest_of(init.authorization_token), supervised, Link())
        self._visits.add(visit)  # before the token is looked at: one that is revoked meanwhile ends this
        try:
            await self._tokens.check(init.authorization_token, sandbox.id)
            if visit.why:
                raise SandboxGone(visit.why)
            serve = self._ssh(visit, requests) if target == "ssh" else _port(visit, requests, init.tcp)
            async with aclosing(serve):
                async for data in serve:
                    yield openshell_pb2.TcpForwardFrame(data=data)
        finally:
            self._visits.remove(visit)
            visit.link.close()
            self._beside(visit.finished())

    async def _ssh(self, visit: Visit, requests: Frames) -> AsyncGenerator[bytes, None]:
        server = await asyncio.to_thread(_server)
        connection = await server.serve(visit, self._keys.private(visit.sandbox_id))
        feeding = asyncio.create_task(_feed(visit, requests, connection))
        try:
            async for data in visit.link.frames():
                yield data
            if feeding.done():
                feeding.result()
        finally:
            feeding.cancel()
            connection.abort()

    def _beside(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._aside.add(task)
        task.add_done_callback(self._aside.discard)

    async def close(self) -> None:
        """End all connections, when the gateway ends, and wait until what their clients had started has ended."""
        self._visits.end("the gateway is ending")
        while self._aside:
            await asyncio.wait(set(self._aside))


class NoSuchSession(OpenShellError):
    """There is no such SSH session."""

    code = "ssh.unknown"
    exit_code = 3


def _server() -> Any:
    """Return the module with asyncssh, which takes a fifth of a second to import."""
    from pyopenshell.gateway.ssh import server

    return server


async def _init(requests: Frames) -> openshell_pb2.TcpForwardInit:
    """Return a stream's first message. Raises UsageError where it is another, or does not come."""
    try:
        first = await asyncio.wait_for(anext(requests), PATIENCE)
    except StopAsyncIteration:
        raise UsageError("the stream ended before it said what it is for", hint="its first frame is init") from None
    except TimeoutError:
        raise UsageError(
            f"the stream did not say within {PATIENCE:.0f} seconds what it is for", hint="its first frame is init"
        ) from None
    init = first.init
    if not first.HasField("init") or init.WhichOneof("target") is None:
        raise UsageError("the first frame of the stream must be init, with ssh or tcp as its target")
    if len(init.authorization_token) > TOKEN:
        raise OpenShellError("the token is not one of this sandbox", code="auth.denied")
    return init


def _data(frame: openshell_pb2.TcpForwardFrame) -> bytes:
    """Return what a client sends. Raises UsageError for what it may not send here."""
    if frame.HasField("init"):
        raise UsageError("a stream has one init frame, the first")
    if len(frame.data) > FRAME:
        raise UsageError(f"a frame has {FRAME:,} bytes at most, not {len(frame.data):,}", code="limit.frame")
    return frame.data


async def _feed(visit: Visit, requests: Frames, connection: Any) -> None:
    """Give an SSH server what its client sends; nothing, while the client takes none of what it is sent."""
    try:
        async for frame in requests:
            data = _data(frame)
            await visit.link.room(OVERFULL)
            connection.data_received(data)
        connection.eof_received()
    except BrokenPipeError:
        pass
    finally:
        connection.abort()


async def _port(visit: Visit, requests: Frames, target: openshell_pb2.TcpRelayTarget) -> AsyncGenerator[bytes, None]:
    """Connect a client to a port of the sandbox. The stream ends when the program there has sent all it will."""
    try:
        connection = await ports.connect(visit, target.host, target.port)
    except OSError as error:
        raise NotRunning(
            f"cannot connect to port {target.port} in sandbox {visit.supervised.name}: {error.strerror}",
            hint="does a program listen there, on 127.0.0.1 or ::1?",
            code="forward.refused",
        ) from error
    reader, writer = await asyncio.open_connection(sock=connection)
    visit.close = lambda _reason: writer.transport.abort()
    feeding = asyncio.create_task(_write(requests, writer))
    try:
        while data := await reader.read(_CHUNK):
            yield data
        if feeding.done():
            feeding.result()
        if visit.why:
            raise SandboxGone(visit.why)
    except ConnectionError:  # the program hung up
        pass
    finally:
        feeding.cancel()
        writer.close()


async def _write(requests: Frames, writer: asyncio.StreamWriter) -> None:
    """Give a program what its client sends, no faster than it reads."""
    try:
        async for frame in requests:
            writer.write(_data(frame))
            await writer.drain()
        writer.write_eof()
    except OSError:  # it reads no more
        pass
    except OpenShellError:
        writer.transport.abort()
        raise
