"""One program of a sandbox, as the gateway follows it."""

from __future__ import annotations

import marshal
from typing import TYPE_CHECKING, Any

from pyopenshell.errors import SandboxGone
from pyopenshell.record import Record
from pyopenshell.supervisor import protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from pyopenshell.supervisor.connection import Connection


class Program(Record):
    """What is to be run: ``env`` is over the sandbox's own, ``cwd`` a folder in it, from its working directory.

    ``terminal`` is (rows, columns), or None for pipes; ``timeout`` in seconds. Without ``stdin`` it reads nothing.
    """

    argv: tuple[str, ...]
    env: dict[str, str] = {}  # noqa: RUF012 - records do not change
    cwd: str | None = None
    terminal: tuple[int, int] | None = None
    timeout: float | None = None
    stdin: bool = True

    def as_plain(self) -> dict[str, Any]:
        """Return it as the supervisor takes it."""
        return {name: getattr(self, name) for name in self._fields} | {"argv": list(self.argv)}


class Output(Record):
    """What a program wrote to a stream: 1, or 2 for its errors."""

    stream: int
    data: bytes


class Skipped(Record):
    """So many bytes of what a program wrote are not here: they were more than is kept."""

    count: int


class Ended(Record):
    """How a program ended: its exit code (128 + n after signal n, 124 after its time was over)."""

    code: int
    signal: int | None
    timed_out: bool


class Session:
    """A program that is followed: iterate for ``Output`` and ``Skipped``, and at last ``Ended``.

    Nothing is read ahead: a program waits for who reads slowly. Iterating raises SandboxGone where the sandbox ended.
    """

    def __init__(self, connection: Connection, told: Mapping[str, Any]) -> None:
        """Follow it by this connection."""
        self.number: int = told["number"]
        self.pid: int = told["pid"]
        self.terminal: bool = told["terminal"]
        self.argv: tuple[str, ...] = tuple(told["argv"])
        self._connection = connection

    async def __aiter__(self) -> AsyncIterator[Output | Skipped | Ended]:
        """Yield what comes."""
        while True:
            frame = await self._connection.receive()
            if frame is None:
                raise SandboxGone("the sandbox has ended, and the program with it")
            kind, payload, _ = frame
            if kind in (protocol.OUTPUT, protocol.ERRORS):
                yield Output(1 if kind == protocol.OUTPUT else 2, self._connection.joined(kind, payload))
            else:
                value = marshal.loads(payload)  # noqa: S302 - from our supervisor
                if kind == protocol.SKIPPED:
                    yield Skipped(value)
                elif kind == protocol.ENDED:
                    yield Ended(value["code"], value["signal"], value["timed_out"])
                    self._connection.send_last(protocol.TAKEN)
                    self._connection.close()
                    return
                elif kind == protocol.FAILED:
                    raise SandboxGone(value["message"], hint=value["hint"])

    async def write(self, data: bytes) -> None:
        """Give it something to read. What it does not take is waited for."""
        for at in range(0, len(data), 1 << 16):
            await self._tell(protocol.INPUT, data[at : at + (1 << 16)])

    async def eof(self) -> None:
        """Tell it that there is no more to read."""
        await self._tell(protocol.INPUT, b"")

    async def resize(self, rows: int, columns: int) -> None:
        """Give its terminal another size."""
        await self._tell(protocol.RESIZE, marshal.dumps((rows, columns)))

    async def signal(self, number: int) -> None:
        """Send its process group a signal."""
        await self._tell(protocol.SIGNAL, marshal.dumps(number))

    async def cancel(self) -> None:
        """Have it killed, with all that it started."""
        await self._tell(protocol.CANCEL, b"")

    async def _tell(self, kind: bytes, payload: bytes) -> None:
        try:
            await self._connection.send_raw(kind, payload)
        except OSError:  # it has ended: whoever iterates learns how
            pass

    def detach(self) -> None:
        """Follow it no longer; it goes on."""
        self._connection.close()
