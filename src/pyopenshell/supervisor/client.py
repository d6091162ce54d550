"""The gateway's side: supervisors are launched, found again, and spoken to. For one event loop."""

from __future__ import annotations

import asyncio
import marshal
import os
import socket
import threading
from typing import TYPE_CHECKING, Any

from pyopenshell.errors import OpenShellError, SandboxGone, UsageError
from pyopenshell.launch import wire
from pyopenshell.effective import findings
from pyopenshell.effective import load as load_effective
from pyopenshell.effective.canonical import canonical_bytes
from pyopenshell.policy import load, making
from pyopenshell.record import Record
from pyopenshell.runs.view import RunView
from pyopenshell.supervisor import protocol
from pyopenshell.supervisor.connection import Connection
from pyopenshell.supervisor.session import Ended, Output, Program, Session, Skipped
from pyopenshell.zygote import failure, rights, started

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pyopenshell.planning import RunRequest
    from pyopenshell.policy.model import Policy

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "__main__.py")
RESTARTS = ("never", "on_failure", "always")


class Wanted(Record):
    """A sandbox that is to stay.

    ``environ`` is what its environment is made from. ``held``: the main process waits for somebody to attach, for at
    most a minute. ``restart`` is one of ``RESTARTS``. ``meta`` goes into the run's record.
    """

    request: RunRequest
    policy: Policy
    main: Program | None
    environ: dict[str, str]
    meta: dict[str, Any]
    held: bool = False
    restart: str = "never"


class Main(Record):
    """How the main process fares: ``none``, ``held``, ``running`` or ``ended``. Times are milliseconds since 1970."""

    state: str
    code: int | None
    signal: int | None
    restarts: int
    next: int | None
    started: int | None
    pid: int


class SessionInfo(Record):
    """One program of a sandbox: ``running`` or ``ended``. ``pid`` is its number in the sandbox."""

    number: int
    argv: tuple[str, ...]
    pid: int
    terminal: bool
    state: str
    code: int | None
    signal: int | None
    timed_out: bool
    started: int
    attached: int


class Supervisors:
    """Starts supervisors, by way of a template that is this process's own."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self._template: started.Zygote | None = None
        self._lock = threading.Lock()

    async def launch(self, wanted: Wanted) -> Supervised:
        """Have a sandbox made. Returns when it holds, its main process told to start.

        Raises what ``planning.plan`` and a launch raise, and ZygoteError.
        """
        connection = Connection(await asyncio.to_thread(self._connect, _first(wanted)))
        try:
            told = _answer(await connection.receive(), protocol.STATE)
        except BaseException:
            connection.close()
            raise
        return Supervised(connection, told)

    async def find(self, record: str) -> Supervised:
        """Return the supervisor of a run that is alive, by its record's folder. Raises SandboxGone."""
        connection = await reach(record)
        try:
            await connection.send(protocol.WATCH)
            told = _answer(await connection.receive(), protocol.STATE)
        except OSError as error:
            connection.close()
            raise _gone(record) from error
        except BaseException:
            connection.close()
            raise
        return Supervised(connection, told)

    def _connect(self, first: bytes) -> socket.socket:
        """Return a new connection on which ``first`` is sent. A template that has ended is replaced."""
        with self._lock:
            for _ in range(2):
                if self._template is None:
                    self._template = started.start(rights.identity(), SCRIPT)
                try:
                    user = _Nobody()
                    connection, sent = self._template.connect(user, first)
                    self._template.users.discard(user)
                    break
                except (BrokenPipeError, ConnectionResetError):
                    self._template.end()
                    self._template = None
            else:
                raise OpenShellError("the process that starts supervisors cannot be started", code="template")
        connection.sendall(first[sent:])
        return connection

    def close(self) -> None:
        """End the template. Supervisors stay."""
        with self._lock:
            if self._template:
                self._template.end()
                self._template = None


class _Nobody:
    """A user of the template's door, of whom nothing is remembered."""

    def forget(self) -> None:
        """Nothing to close."""

    def descriptors(self) -> tuple[int, ...]:
        """No descriptors."""
        return ()


class Supervised:
    """A sandbox that is alive, or was: ``gone`` is done when it is over, with why; None: it was stopped."""

    def __init__(self, connection: Connection, told: Mapping[str, Any]) -> None:
        """Follow it by this connection."""
        self.name: str = told["name"]
        self.run_id: str = told["run_id"]
        self.record: str = told["record"]
        self.pid: int = told["pid"]
        self.main = Main(**told["main"])
        self.on_change: list[Callable[[], None]] = []
        self.gone: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self.survivors: tuple[int, ...] = ()
        self._connection = connection
        self._following = asyncio.get_running_loop().create_task(self._follow())

    async def _follow(self) -> None:
        lost: str | None = "its supervisor was killed"
        while (frame := await self._connection.receive()) is not None:
            kind, payload, _ = frame
            if kind == protocol.STATE:
                self.main = Main(**marshal.loads(payload)["main"])  # noqa: S302 - from our supervisor
                self._tell()
            elif kind == protocol.GONE:
                told = marshal.loads(payload)  # noqa: S302 - from our supervisor
                lost, self.survivors = told["lost"], tuple(told["survivors"])
                break
        self._connection.close()
        if not self.gone.done():
            self.gone.set_result(lost)
        self._tell()

    def _tell(self) -> None:
        for callback in tuple(self.on_change):
            callback()

    async def start(self, program: Program) -> Session:
        """Start a program in it. Raises CommandError (126, 127), SandboxGone."""
        return await self._session(protocol.START, program.as_plain())

    async def attach(self, number: int = protocol.MAIN, *, replay: bool = True) -> Session:
        """Follow a program, after what it wrote last. Raises UsageError (``session.unknown``), SandboxGone."""
        return await self._session(protocol.ATTACH, {"number": number, "replay": replay})

    async def _session(self, kind: bytes, asked: dict[str, Any]) -> Session:
        connection = await reach(self.record)
        try:
            await connection.send(kind, asked)
            return Session(connection, _answer(await connection.receive(), protocol.BEGUN))
        except OSError as error:
            connection.close()
            raise _gone(self.record) from error
        except BaseException:
            connection.close()
            raise

    async def sessions(self) -> list[SessionInfo]:
        """Return its programs. Raises SandboxGone."""
        told: list[dict[str, Any]] = marshal.loads((await self._ask(protocol.LIST, None, protocol.LISTED))[0])  # noqa: S302
        return [SessionInfo(**{**one, "argv": tuple(one["argv"])}) for one in told]

    async def files(self) -> socket.socket:
        """Return a connection to a file agent in the sandbox (``launch.files``). Raises SandboxGone."""
        _payload, (fd,) = await self._ask(protocol.FILES, None, protocol.GIVEN)
        return _as_socket(fd)

    async def connect_tcp(self, host: str, port: int) -> socket.socket:
        """Return a connection made in the sandbox's network namespace. Raises OSError as connect(2), SandboxGone."""
        asked = {"host": _address(host), "port": port}
        try:
            _payload, (fd,) = await self._ask(protocol.CONNECT, asked, protocol.GIVEN)
        except OpenShellError as error:
            if error.code == "connect":
                raise OSError(error.exit_code, os.strerror(error.exit_code)) from error
            raise
        connection = _as_socket(fd)
        try:
            await _connected(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    async def revise(self, text: str) -> None:
        """Have a policy written down whose network section alone is another. Raises StateError, SandboxGone."""
        await self._ask(protocol.REVISE, await asyncio.to_thread(_revision, self.record, text), protocol.DONE)

    async def stop(self) -> str | None:
        """End it. Returns when nothing of it is left."""
        if not self.gone.done():
            try:
                connection = await reach(self.record)
                await connection.send(protocol.STOP)
                await connection.receive()
                connection.close()
            except (SandboxGone, OSError):  # it is ending already
                pass
        return await asyncio.shield(self.gone)

    async def _ask(self, kind: bytes, value: Any, wanted: bytes) -> tuple[bytes, list[int]]:
        connection = await reach(self.record)
        try:
            await connection.send(kind, value)
            frame = await connection.receive()
            if frame is not None and frame[0] == wanted:
                return frame[1], frame[2]
            _answer(frame, wanted)
            raise _gone(self.record)
        except OSError as error:
            raise _gone(self.record) from error
        finally:
            connection.close()

    def leave(self) -> None:
        """Follow it no longer; it stays."""
        self._following.cancel()
        self._connection.close()


async def reach(record: str) -> Connection:
    """Return a connection to the supervisor of a run, on which something can be asked. Raises SandboxGone."""
    own = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    folder = -1
    try:
        folder = os.open(record, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        with open(f"{record}/{protocol.KEY}", "rb") as file:
            key = file.read()
        # Non-blocking: a queue that is full (EAGAIN) is that of a supervisor that was stopped.
        own.connect(f"/proc/self/fd/{folder}/{protocol.SOCKET}")
        own.sendall(wire.head(protocol.HELLO, len(key)) + key)
    except OSError as error:
        own.close()
        raise _gone(record) from error
    finally:
        if folder >= 0:
            os.close(folder)
    return Connection(own)


def _first(wanted: Wanted) -> bytes:
    policy = wanted.policy
    asked = {
        "request": {**{name: getattr(wanted.request, name) for name in wanted.request._fields}, "policy": None},
        "policy": (policy.source.file, policy.source.text, making.tree(policy)),
        "environ": wanted.environ,
        "cwd": "/",
        "main": wanted.main.as_plain() if wanted.main else None,
        "held": wanted.held,
        "restart": wanted.restart,
        "meta": wanted.meta,
    }
    payload = marshal.dumps(asked)
    return wire.head(protocol.LAUNCH, len(payload)) + payload


def _answer(frame: tuple[bytes, bytes, list[int]] | None, wanted: bytes) -> Any:
    """Return the value of the answer. Raises what it says, SandboxGone where there is none."""
    if frame is None:
        raise SandboxGone("the sandbox's supervisor has ended", hint="openshell logs NAME shows what it wrote down")
    kind, payload, _ = frame
    value = marshal.loads(payload) if payload else None  # noqa: S302 - from our supervisor
    if kind == protocol.FAILED:
        raise failure.unpack(value)
    if kind == protocol.GONE:
        raise SandboxGone(value["lost"] or "the sandbox was stopped")
    if kind != wanted:
        raise SandboxGone("the sandbox's supervisor speaks otherwise than this version of openshell")
    return value


def _revision(record: str, text: str) -> dict[str, Any]:
    """Return what a supervisor is to write down: its effective policy with the network section of another policy."""
    policy = load.parse(text.encode())
    shape = RunView(record).effective()
    if shape is None:
        raise _gone(record)
    effective = load_effective.from_dict(shape)
    entries, about = findings.network(policy.network)
    others = tuple(found for found in effective.findings if found.code != findings.NETWORK)
    effective = effective.replace(
        declared=policy.declared,
        source_sha256=policy.source.sha256,
        network=effective.network.replace(entries=entries),
        findings=(*others, *about),
    )
    told = {"text": text, "effective": canonical_bytes(effective.as_dict()), "digest": effective.digest}
    return told | {"findings": [found.as_dict() for found in about]}


def _gone(record: str) -> SandboxGone:
    return SandboxGone(
        f"the supervisor of run {os.path.basename(record)} does not answer",
        hint="openshell sandbox get NAME shows what became of the sandbox",
    )


def _as_socket(fd: int) -> socket.socket:
    found = socket.socket(fileno=fd)
    found.setblocking(False)
    return found


def _address(host: str) -> str:
    """Return the address of a host that there is in a sandbox: itself. Names are not looked up there. UsageError."""
    if host in ("localhost", ""):
        return "127.0.0.1"
    import ipaddress

    try:
        return str(ipaddress.ip_address(host))
    except ValueError as error:
        raise UsageError(f"{host!r} is no address in a sandbox", hint="use localhost, or an IP address") from error


async def _connected(connection: socket.socket) -> None:
    """Wait until a connection that was begun is there. Raises OSError as connect(2)."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()
    loop.add_writer(connection, lambda: future.done() or future.set_result(None))
    try:
        await future
    finally:
        loop.remove_writer(connection)
    failed = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if failed:
        raise OSError(failed, os.strerror(failed))


__all__ = ["Ended", "Main", "Output", "Program", "Session", "SessionInfo", "Skipped", "Supervised", "Supervisors", "Wanted", "reach"]
