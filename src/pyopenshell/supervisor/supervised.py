"""A sandbox that has a supervisor, as the gateway deals with it."""

from __future__ import annotations

import asyncio
import marshal
import os
import signal
import socket
from typing import TYPE_CHECKING, Any

from pyopenshell.effective import findings
from pyopenshell.effective import load as load_effective
from pyopenshell.effective.canonical import canonical_bytes
from pyopenshell.errors import OpenShellError, SandboxGone
from pyopenshell.policy import load
from pyopenshell.record import Record
from pyopenshell.runs.view import RunView
from pyopenshell.supervisor import protocol
from pyopenshell.supervisor.reach import (
    PATIENCE,
    address,
    answer,
    as_socket,
    connected,
    gone,
    reach,
    within,
)
from pyopenshell.supervisor.session import Program, Session

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pyopenshell.effective.model import Grant
    from pyopenshell.policy.model import DeclaredPath, Policy
    from pyopenshell.supervisor.connection import Connection


STOP_PATIENCE = 20.0
"""Seconds that a supervisor which is to end its sandbox is given before it is killed."""


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
        is_asked = False
        try:
            await connection.send(kind, asked)
            is_asked = True
            return Session(
                connection, answer(await within(PATIENCE, self.record, connection.receive()), protocol.BEGUN)
            )
        except OSError as error:
            connection.close()
            raise gone(self.record) from error
        except BaseException:
            if is_asked and kind == protocol.START:  # of a program that nobody knows of nothing is to be left
                connection.send_last(protocol.CANCEL)
            connection.close()
            raise

    async def sessions(self) -> list[SessionInfo]:
        """Return its programs. Raises SandboxGone."""
        told: list[dict[str, Any]] = marshal.loads((await self._ask(protocol.LIST, None, protocol.LISTED))[0])  # noqa: S302
        return [SessionInfo(**{**one, "argv": tuple(one["argv"])}) for one in told]

    async def files(self) -> socket.socket:
        """Return a connection to a file agent in the sandbox (``launch.files``). Raises SandboxGone."""
        _payload, (fd,) = await self._ask(protocol.FILES, None, protocol.GIVEN)
        return as_socket(fd)

    async def connect_tcp(self, host: str, port: int) -> socket.socket:
        """Return a connection made in the sandbox's network namespace. Raises OSError as connect(2), SandboxGone."""
        asked = {"host": address(host), "port": port}
        try:
            _payload, (fd,) = await self._ask(protocol.CONNECT, asked, protocol.GIVEN)
        except OpenShellError as error:
            if error.code == "connect":
                raise OSError(error.exit_code, os.strerror(error.exit_code)) from error
            raise
        connection = as_socket(fd)
        try:
            await connected(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    async def revise(self, text: str) -> None:
        """Have a policy written down whose network section alone is another. Raises StateError, SandboxGone."""
        await self._ask(protocol.REVISE, await asyncio.to_thread(_revision, self.record, text), protocol.DONE)

    async def stop(self) -> str | None:
        """End it. Returns when nothing of it is left: None, or how it ended where it did not by itself.

        A supervisor that does not end is killed, and its sandbox with it.
        """
        try:
            async with asyncio.timeout(STOP_PATIENCE):
                await self._ask_to_stop()
                return await asyncio.shield(self.gone)
        except TimeoutError:
            await self._signal(signal.SIGKILL)
        return await asyncio.shield(self.gone)

    async def _ask_to_stop(self) -> None:
        if self.gone.done():
            return
        await self._signal(signal.SIGCONT)
        try:
            connection = await reach(self.record)
        except SandboxGone:  # it is ending already
            return
        try:
            await connection.send(protocol.STOP)
            await connection.receive()
        except OSError:
            pass
        finally:
            connection.close()

    async def _signal(self, number: int) -> None:
        """Send the supervisor a signal, if it lives."""
        try:
            process = os.pidfd_open(self.pid)
        except OSError:
            return
        try:
            await asyncio.sleep(0)
            if not self.gone.done():  # while it is connected its pid is no other process's
                signal.pidfd_send_signal(process, number)
        except ProcessLookupError:
            pass
        finally:
            os.close(process)

    async def _ask(self, kind: bytes, value: Any, wanted: bytes) -> tuple[bytes, list[int]]:
        connection = await reach(self.record)
        try:
            await connection.send(kind, value)
            frame = await within(PATIENCE, self.record, connection.receive())
            if frame is not None and frame[0] == wanted:
                return frame[1], frame[2]
            answer(frame, wanted)
            raise gone(self.record)
        except OSError as error:
            raise gone(self.record) from error
        finally:
            connection.close()

    def leave(self) -> None:
        """Follow it no longer; it stays."""
        self._following.cancel()
        self._connection.close()


def _revision(record: str, text: str) -> dict[str, Any]:
    """Return what a supervisor is to write down: its effective policy with the network section of another policy."""
    policy = load.parse(text.encode())
    shape = RunView(record).effective()
    if shape is None:
        raise gone(record)
    effective = load_effective.from_dict(shape)
    entries, about = findings.network(policy.network)
    others = tuple(found for found in effective.findings if found.code != findings.NETWORK)
    effective = effective.replace(
        declared=policy.declared,
        source_sha256=policy.source.sha256,
        grants=tuple(_in_line(grant, policy) for grant in effective.grants),
        network=effective.network.replace(entries=entries),
        findings=(*others, *about),
    )
    told = {"text": text, "effective": canonical_bytes(effective.as_dict()), "digest": effective.digest}
    return told | {"findings": [found.as_dict() for found in about]}


def _in_line(grant: Grant, policy: Policy) -> Grant:
    """Return a grant with the line on which a policy, which declares the same paths, does so."""
    if grant.origin.kind != "declared" or grant.origin.name not in ("read_only", "read_write"):
        return grant
    paths: tuple[DeclaredPath, ...] = getattr(policy.filesystem, grant.origin.name)
    lines = [one.line for one in paths if one.path == grant.path]
    return grant.replace(origin=grant.origin.replace(line=lines[0] if lines else None))
