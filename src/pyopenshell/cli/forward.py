"""``openshell forward``: ports of this machine that lead into a sandbox."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING

from pyopenshell.cli import forwards, output, remote
from pyopenshell.errors import NoSuchSandbox, OpenShellError, UsageError

if TYPE_CHECKING:
    import argparse
    from typing import Any, NoReturn

    from pyopenshell.cli.remote import Remote

LOOPBACK = "127.0.0.1"
BACKLOG = 128
RENEWED = 30.0, 1800.0
"""A token is replaced when half of its time is over, but not more often, and not less, than after so many seconds."""
LOOK = 30.0
"""Seconds between two looks at whether the sandbox is still there."""
REVOKING = 3.0
"""Seconds that a token's end may take; it also ends by itself."""
_PORTS = re.compile(
    r"(?:(?:\[(?P<six>[^]]+)]|(?P<four>[^][:]*[^][:\d][^][:]*)):)?(?P<port>[0-9]{1,5})(?::(?P<target>[0-9]{1,5}))?"
)


def start(arguments: argparse.Namespace) -> int:
    """Listen on a port here, and connect whoever comes to a port in a sandbox, until Ctrl-C or ``forward stop``."""
    address, port, target = parsed(arguments.port)
    name = remote.sandbox(arguments.name)
    listener = _listen(address, port)
    host, bound = listener.getsockname()[:2]
    entry = {"sandbox": name, "workspace": remote.workspace(arguments), "address": host, "port": bound}
    entry["target_port"] = target
    if arguments.background:
        return _in_background(arguments, listener, entry)
    return _serve(arguments, listener, entry, lambda: _say(entry))


def _say(entry: dict[str, Any]) -> None:
    shown = f"[{entry['address']}]" if ":" in entry["address"] else entry["address"]
    output.line(f"{shown}:{entry['port']} leads to port {entry['target_port']} of sandbox {entry['sandbox']}")
    sys.stdout.flush()


def _in_background(arguments: argparse.Namespace, listener: socket.socket, entry: dict[str, Any]) -> int:
    """Leave it to a process of its own, once that says that it works. gRPC is imported there only: it does not fork."""
    read, write = os.pipe()
    if os.fork() == 0:
        os.close(read)
        _be_background(arguments, listener, entry, write)
    os.close(write)
    listener.close()
    with open(read, "rb") as told:
        said = told.read()
    if said == b"\0":
        _say(entry)
        return 0
    if not said:
        raise OpenShellError("the process that was to forward the port was killed")
    words = json.loads(said)
    error = OpenShellError(words["message"], hint=words["hint"], code=words["code"])
    error.exit_code = words["exit_code"]
    raise error


def _be_background(
    arguments: argparse.Namespace, listener: socket.socket, entry: dict[str, Any], told: int
) -> NoReturn:
    """Become the process that forwards, without a terminal. What goes wrong later is in the entry's log."""
    code = 1
    try:
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        for fd in (0, 1, 2):
            os.dup2(null, fd)

        def ready() -> None:
            os.write(told, b"\0")
            os.close(told)

        code = _serve(arguments, listener, entry, ready)
    except OpenShellError as error:
        try:
            words = {"message": error.message, "hint": error.hint, "code": error.code, "exit_code": error.exit_code}
            os.write(told, json.dumps(words).encode())
        except OSError:  # nobody waits any more
            pass
    finally:
        os._exit(code)


def _serve(arguments: argparse.Namespace, listener: socket.socket, entry: dict[str, Any], ready: Any) -> int:
    with remote.required(arguments) as gateway:
        gateway.call("GetSandbox", name=entry["sandbox"])
        entry["gateway"] = gateway.gateway.name or str(gateway.gateway.endpoint)
        with forwards.registered(entry) as log:
            return asyncio.run(Forwarding(gateway, entry, log).serve(listener, ready))


class Forwarding:
    """A port that is forwarded."""

    def __init__(self, gateway: Remote, entry: dict[str, Any], log: Any) -> None:
        """``log`` is where lines about what went wrong go."""
        self._gateway, self._entry, self._log = gateway, entry, log
        self._stub: Any = None
        self._token, self._until = "", 0.0
        self._lock = asyncio.Lock()
        self._over: asyncio.Future[None]

    async def serve(self, listener: socket.socket, ready: Any) -> int:
        """Serve until a signal, or until the sandbox is no more."""
        from openshell._proto.openshell_pb2_grpc import OpenShellStub

        from pyopenshell.gateway import channel

        loop = asyncio.get_running_loop()
        self._over = loop.create_future()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._end, None)
        async with channel.connect_aio(self._gateway.gateway) as connection:
            self._stub = OpenShellStub(connection)
            server = await asyncio.start_server(self._connected, sock=listener)
            ready()
            looking = asyncio.create_task(self._look())
            try:
                await self._over
            finally:
                looking.cancel()
                server.close()
                await self._revoke()
        return 0

    async def _look(self) -> None:
        """End when the sandbox is no more, also where nobody connects."""
        while True:
            await asyncio.sleep(LOOK)
            try:
                await asyncio.to_thread(self._gateway.call, "GetSandbox", name=self._entry["sandbox"])
            except NoSuchSandbox as error:
                self._end(error)
            except OpenShellError:  # the gateway comes back, or its user ends this
                pass

    def _end(self, error: OpenShellError | None) -> None:
        if not self._over.done():
            if error is None:
                self._over.set_result(None)
            else:
                self._over.set_exception(error)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Connect one client to the sandbox."""
        from pyopenshell.gateway.ssh.tunnel import PIECE, relay

        async def write(data: bytes) -> None:
            writer.write(data)
            await writer.drain()

        try:
            init = self._gateway.messages.TcpForwardInit(
                sandbox=self._entry["sandbox"],
                workspace=self._entry["workspace"],
                tcp=self._gateway.messages.TcpRelayTarget(host=LOOPBACK, port=self._entry["target_port"]),
                authorization_token=await self._good_token(),
            )
            await relay(self._stub.ForwardTcp(), init, lambda: reader.read(PIECE), write)
        except OpenShellError as error:
            self._log(error.message)
            if error.code.startswith("auth."):
                self._until = 0.0  # it was revoked: the next connection has another one
            if isinstance(error, NoSuchSandbox):
                self._end(error)
            writer.transport.abort()
        except OSError:  # the client went away
            writer.transport.abort()
        finally:
            writer.close()

    async def _good_token(self) -> str:
        """Return a token that is good for a while. Raises OpenShellError."""
        async with self._lock:
            now = time.monotonic()
            if now >= self._until:
                answer = await asyncio.to_thread(self._gateway.call, "CreateSshSession", sandbox=self._entry["sandbox"])
                left = answer.expiration_time.ToNanoseconds() / 1e9 - time.time()
                self._token, self._until = answer.token, now + min(max(left / 2, RENEWED[0]), RENEWED[1])
            return self._token

    async def _revoke(self) -> None:
        if self._token:
            try:
                await asyncio.to_thread(
                    self._gateway.call, "RevokeSshSession", REVOKING, token=self._token, allow_missing=True
                )
            except OpenShellError:  # it ends by itself
                pass


def stop(arguments: argparse.Namespace) -> int:
    """End a forwarding."""
    _, port, _ = parsed(arguments.port)
    for entry in forwards.running():
        if entry["port"] == port and arguments.name in (None, entry["sandbox"]):
            forwards.end(entry)
            output.line(f"{entry['address']}:{port} leads to sandbox {entry['sandbox']} no more")
            return 0
    whose = f"to sandbox {arguments.name}" if arguments.name else "into a sandbox"
    error = OpenShellError(
        f"port {port} does not lead {whose}", hint="openshell forward list shows which do", code="forward.unknown"
    )
    error.exit_code = 3
    raise error


def every(arguments: argparse.Namespace) -> int:
    """List the forwardings that run."""
    entries = forwards.running()
    if arguments.output != "table":
        output.document(entries, arguments.output)
    elif entries:
        columns = ("sandbox", "address", "port", "target_port", "pid")
        output.table(
            ("sandbox", "address", "port", "in the sandbox", "pid"),
            [[str(entry[column]) for column in columns] for entry in entries],
        )
    else:
        output.line("no port is forwarded")
    return 0


def parsed(text: str) -> tuple[str, int, int]:
    """Return address, port, and the port in the sandbox, of ``[ADDRESS:]PORT[:PORT]``. Raises UsageError."""
    found = _PORTS.fullmatch(text)
    port = int(found["port"]) if found else 0
    target = int(found["target"] or port) if found else 0
    if found is None or port > 65535 or not 1 <= target <= 65535:
        raise UsageError(
            f"{output.escape(text)} names no port",
            hint="write PORT, PORT:PORT for another port in the sandbox, or ADDRESS: before either",
        )
    return found["six"] or found["four"] or LOOPBACK, port, target


def _listen(address: str, port: int) -> socket.socket:
    """Return a socket that listens. Raises OpenShellError."""
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise UsageError(f"{address} is no address of this machine: {error.strerror}") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise OpenShellError(
            f"cannot listen on {address} port {port}: {error.strerror}",
            hint="openshell forward list shows the ports that are forwarded already; ss -ltn those in use",
            code="forward.address",
        ) from error
    return listener
