"""A command in a sandbox while it runs, for tasks of an event loop."""

from __future__ import annotations

import asyncio
import os

from pyopenshell.sandbox import aio_waiting, request
from pyopenshell.sandbox.exchange import ROUNDS, SIZE, Exchange
from pyopenshell.sandbox.process import Running

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from pyopenshell.sandbox.command import Command
    from pyopenshell.sandbox.link import Link


class AsyncProcess(Running):
    r"""A command in a sandbox that runs. Use it in ``async with``, which waits for it (and kills it after an error).

    ``stdin`` is an ``asyncio.StreamWriter``, ``stdout`` and ``stderr`` are ``asyncio.StreamReader``, for those that
    were PIPE; else they are None.

    Example:
        >>> import asyncio
        >>> from subprocess import PIPE
        >>> from pyopenshell import AsyncSandbox
        >>> async def main():
        ...     async with AsyncSandbox() as box:
        ...         async with await box.popen(["/bin/cat"], stdin=PIPE, stdout=PIPE) as process:
        ...             process.stdin.write(b"hello\n")
        ...             return await process.stdout.readline()
        >>> asyncio.run(main())
        b'hello\n'

    """

    _BUFFERING = 0

    def __init__(self, command: Command, link: Link) -> None:
        """Take over a command that runs. Raises what kept it from starting."""
        super().__init__(command, link)
        self.stdin: asyncio.StreamWriter | None = None
        self.stdout: asyncio.StreamReader | None = None
        self.stderr: asyncio.StreamReader | None = None
        self._pipes: list[tuple[asyncio.StreamReader, asyncio.ReadTransport]] = []

    async def wait(self) -> int:
        """Wait until it has ended; return its exit code, -n after signal n. Raises SandboxGone.

        A task that is cancelled waits no more, and the command runs on.
        """
        self._link.check_owner()
        await aio_waiting.until_over(self._command)
        if self._command.lost:
            raise await aio_waiting.gone(self._link)
        code = self.poll()
        assert code is not None  # noqa: S101 - it is over
        return code

    async def communicate(
        self,
        input: str | bytes | None = None,  # noqa: A002 - as in subprocess
    ) -> tuple[bytes, bytes]:
        """Feed it ``input``, take what it writes and wait until it has ended. Returns what came from both streams.

        What it prints on a terminal is in the first. Raises SandboxGone.
        """
        data = request.data(input)
        if self.master is not None:
            exchange = Exchange(self._command, data)
            while not exchange.over:
                await aio_waiting.step(exchange, None)
            await self.wait()
            return b"".join([piece for _, piece in exchange.chunks]), b""
        outputs = [asyncio.create_task(_all_of(reader)) for reader in (self.stdout, self.stderr)]
        feeding = asyncio.create_task(self._feed(data))
        try:
            await self.wait()
            feeding.cancel()
            self._end_outputs()
            return await outputs[0], await outputs[1]
        finally:
            for task in (*outputs, feeding):
                task.cancel()

    async def close(self) -> None:
        """Close everything. A command that still runs is killed, and waited for."""
        try:
            if not self._command.over:
                await aio_waiting.finish(Exchange(self._command, None))
        finally:
            self._close_streams()
            self._command.close()

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close its streams and wait for it; kill it where an error ends the block."""
        try:
            if error is None:
                self._close_streams()
                await self.wait()
        finally:
            if not isinstance(error, GeneratorExit):  # then the loop is gone
                await self.close()

    async def _connect(self) -> None:
        """Make asyncio's streams of the pipes."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(loop=loop)
        if (file := self._file(0)) is not None:
            writing = asyncio.StreamReaderProtocol(reader, loop=loop)
            transport, _ = await loop.connect_write_pipe(lambda: writing, file)
            self.stdin = asyncio.StreamWriter(transport, writing, None, loop)
        self.stdout = await self._reader(1)
        self.stderr = await self._reader(2)

    async def _reader(self, number: int) -> asyncio.StreamReader | None:
        file = self._file(number)
        if file is None:
            return None
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(loop=loop)
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader, loop=loop), file)
        self._pipes.append((reader, transport))
        return reader

    async def _feed(self, data: bytes | None) -> None:
        if self.stdin is None:
            return
        try:
            if data:
                self.stdin.write(data)
                await self.stdin.drain()
        except (BrokenPipeError, ConnectionResetError):  # it did not want to read the rest
            pass
        finally:
            self.stdin.close()

    def _end_outputs(self) -> None:
        """Take what is in the pipes now that the command has ended: something in the background may keep them open."""
        for reader, transport in self._pipes:
            if transport.is_closing():
                continue
            transport.pause_reading()
            fd = transport.get_extra_info("pipe").fileno()
            try:
                for _ in range(ROUNDS):
                    data = os.read(fd, SIZE)
                    if not data:
                        break
                    reader.feed_data(data)
            except BlockingIOError:
                pass
            reader.feed_eof()
            transport.close()

    def _close_streams(self) -> None:
        if self.stdin is not None:
            self.stdin.close()
        for _, transport in self._pipes:
            transport.close()
        self._command.files.clear()


async def connected(command: Command, link: Link) -> AsyncProcess:
    """Return a command that runs, with asyncio's streams at its pipes. Raises what kept it from starting."""
    process = AsyncProcess(command, link)
    await process._connect()
    return process


async def _all_of(reader: asyncio.StreamReader | None) -> bytes:
    return b"" if reader is None else await reader.read()
