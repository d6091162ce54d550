"""What a command writes, as it comes, for tasks of an event loop."""

from __future__ import annotations

from collections.abc import AsyncIterator

from pyopenshell.sandbox import aio_waiting
from pyopenshell.sandbox.result import Chunk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType
    from typing import Self

    from pyopenshell.sandbox.command import Command
    from pyopenshell.sandbox.job import Job
    from pyopenshell.sandbox.result import Result


class AsyncStream(AsyncIterator[Chunk]):
    r"""The chunks of a command's output. It kills the command when it is closed, or forgotten, before the last one.

    Example:
        >>> import asyncio
        >>> from pyopenshell import AsyncSandbox
        >>> async def main():
        ...     async with AsyncSandbox() as box:
        ...         async with box.stream(["/bin/sh", "-c", "echo begun; exec sleep 60"]) as stream:
        ...             return (await anext(stream)).data
        >>> asyncio.run(main())
        b'begun\n'

    """

    def __init__(self, job: Job, ask: Callable[[Command], Awaitable[None]]) -> None:
        """Take over a command that is asked for with the first chunk."""
        self._job = job
        self._ask: Callable[[Command], Awaitable[None]] | None = ask
        self._chunks: list[Chunk] = []
        self._result: Result | None = None
        self._closed = False

    @property
    def result(self) -> Result:
        """How the command ended. Raises ValueError before the last chunk was taken, and after ``close``."""
        if self._result is None:
            raise ValueError("the command's result is known when its last chunk was taken")
        return self._result

    async def __anext__(self) -> Chunk:
        """Wait for the next chunk. At the end raises StopAsyncIteration; and what ``AsyncSandbox.run`` raises."""
        try:
            if self._ask is not None and not self._closed:
                ask, self._ask = self._ask, None
                await ask(self._job.command)
            while not self._chunks and not self._closed:
                await self._more()
        except GeneratorExit:  # the loop is gone: closing has it killed
            self._leave()
            raise
        except BaseException:
            await self.close()
            raise
        if not self._chunks:
            raise StopAsyncIteration
        return self._chunks.pop()

    async def close(self) -> None:
        """Kill the command if it still runs, and wait until nothing of it is left."""
        if self._closed:
            return
        self._chunks.clear()
        try:
            if not self._job.exchange.over and self._ask is None:
                await aio_waiting.finish(self._job.exchange)
        finally:
            self._leave()

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        await self.close()

    def __del__(self) -> None:
        """Have the command killed; a finalizer does not wait."""
        if not getattr(self, "_closed", True):
            self._leave()

    async def _more(self) -> None:
        """Wait for what comes next: chunks, or the end."""
        job = self._job
        job.link.check_owner()
        if job.exchange.over:
            self._result = await aio_waiting.outcome(job)
            self._leave()
        elif await aio_waiting.step(job.exchange, job.deadline):
            self._chunks = job.take()[::-1]
        else:
            await aio_waiting.finish(job.exchange)
            job.check_time()
            self._chunks = job.take()[::-1]

    def _leave(self) -> None:
        self._closed = True
        self._job.command.close()
