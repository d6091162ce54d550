"""A sandbox in which any number of commands run, for tasks of an asyncio event loop."""

from __future__ import annotations

import asyncio

from pyopenshell.errors import UsageError, ZygoteError
from pyopenshell.sandbox import aio_waiting, base, request
from pyopenshell.sandbox.aio_process import connected
from pyopenshell.sandbox.aio_stream import AsyncStream
from pyopenshell.sandbox.command import Command
from pyopenshell.sandbox.link import PATIENCE, Link
from pyopenshell.sandbox.result import Evidence
from pyopenshell.zygote import protocol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from pyopenshell.sandbox.aio_process import AsyncProcess
    from pyopenshell.sandbox.command import Redirect
    from pyopenshell.sandbox.request import StrPath
    from pyopenshell.sandbox.result import Result


class AsyncSandbox(base.Box):
    r"""``Sandbox`` for asyncio: the same sandbox, and no thread. It belongs to the event loop that it was started in.

    Cancelling a task that waits here kills its command, with all that it started, and waits until that is gone; a
    sandbox whose start is cancelled is closed. A second cancellation ends that waiting.

    Example:
        >>> import asyncio
        >>> from pyopenshell import AsyncSandbox
        >>> async def main():
        ...     async with AsyncSandbox() as box:
        ...         runs = [box.run(["/bin/echo", word]) for word in ("one", "two")]
        ...         return [result.stdout for result in await asyncio.gather(*runs)]
        >>> asyncio.run(main())
        ['one\n', 'two\n']

    """

    async def start(self) -> Self:
        """Start it: afterwards it confines, and commands can be run. Does nothing where it is open.

        Raises what ``Sandbox.start`` raises.

        Example:
            >>> import asyncio
            >>> from pyopenshell import AsyncSandbox
            >>> async def main():
            ...     box = await AsyncSandbox().start()
            ...     await box.close()
            >>> asyncio.run(main())

        """
        if self._is_known():
            self._open  # noqa: B018 - raises where it was closed, or is another process's
            return self
        try:
            asyncio.get_running_loop()
        except RuntimeError as error:
            hint = "elsewhere (under trio, say) use Sandbox, in a thread if it must not block"
            raise UsageError("AsyncSandbox is for asyncio, and no event loop of it runs here", hint=hint) from error
        if self._starts is None:
            self._starts = asyncio.Lock()
        async with self._starts:
            if self._is_known():  # another task was faster
                return self
            create = request.create(self._request, self._policy)
            self._turn = asyncio.Lock()
            try:
                if not await self._has_begun(create):
                    self._drop()
                    if not await self._has_begun(create):
                        raise self._useless()
            except BaseException as error:
                await self._give_up(error)
                raise
        return self

    async def close(self) -> None:
        """End it and everything in it, and wait until that is gone. Does nothing where it was closed.

        Results keep what was in force. What could not be ended, or written into its record, is a RuntimeWarning.
        Raises ZygoteError where the end is not told within 30 seconds.

        Example:
            >>> import asyncio
            >>> from pyopenshell import AsyncSandbox
            >>> async def main():
            ...     box = await AsyncSandbox().start()
            ...     await box.close()
            ...     return box.is_open
            >>> asyncio.run(main())
            False

        """
        link = self._link
        if link is None or link.socket.fileno() < 0:
            return
        async with self._turn:
            if link.socket.fileno() < 0:
                return
            try:
                await self._end(link)
            finally:
                link.close()
        base.settled(link)

    async def __aenter__(self) -> Self:
        """Start it."""
        return await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        await self.close()

    async def run(
        self,
        command: Sequence[StrPath],
        *,
        input: str | bytes | None = None,  # noqa: A002 - as in subprocess
        env: Mapping[str, str] | None = None,
        cwd: StrPath | None = None,
        timeout: float | None = None,
        check: bool = False,
        capture: bool = True,
        terminal: bool | tuple[int, int] = False,
    ) -> Result:
        """Run a command and wait until it has ended. Arguments, result and errors are those of ``Sandbox.run``.

        Example:
            >>> import asyncio
            >>> from pyopenshell import AsyncSandbox
            >>> async def main():
            ...     async with AsyncSandbox() as box:
            ...         return (await box.run(["/bin/cat"], input="hello")).stdout
            >>> asyncio.run(main())
            'hello'

        """
        job = self._job(
            command,
            input=input,
            env=env,
            cwd=cwd,
            timeout=timeout,
            check=check,
            capture=capture,
            terminal=terminal,
        )
        try:
            await self._ask(job.command)
            while not job.exchange.over:
                if not await aio_waiting.step(job.exchange, job.deadline):
                    break
            if not job.exchange.over:
                await aio_waiting.finish(job.exchange)
                job.check_time()
            return await aio_waiting.outcome(job)
        except GeneratorExit:  # the loop is gone: closing has it killed
            raise
        except BaseException:
            if not job.exchange.over:
                await aio_waiting.finish(job.exchange)
            raise
        finally:
            job.command.close()

    def stream(
        self,
        command: Sequence[StrPath],
        *,
        input: str | bytes | None = None,  # noqa: A002 - as in subprocess
        env: Mapping[str, str] | None = None,
        cwd: StrPath | None = None,
        timeout: float | None = None,
        check: bool = False,
        terminal: bool | tuple[int, int] = False,
    ) -> AsyncStream:
        r"""Return what a command writes as it comes: an asynchronous iterator of ``Chunk``. It starts with the first.

        Arguments and errors are those of ``Sandbox.run``, and what is said of ``Sandbox.stream`` is true here.

        Example:
            >>> import asyncio
            >>> from pyopenshell import AsyncSandbox
            >>> async def main():
            ...     async with AsyncSandbox() as box:
            ...         stream = box.stream(["/bin/sh", "-c", "echo one; echo two"])
            ...         return "".join([chunk.text async for chunk in stream]), stream.result.exit
            >>> asyncio.run(main())
            ('one\ntwo\n', 0)

        """
        job = self._job(command, input=input, env=env, cwd=cwd, timeout=timeout, check=check, terminal=terminal)
        return AsyncStream(job, self._ask)

    async def popen(
        self,
        command: Sequence[StrPath],
        *,
        stdin: Redirect = None,
        stdout: Redirect = None,
        stderr: Redirect = None,
        env: Mapping[str, str] | None = None,
        cwd: StrPath | None = None,
        terminal: bool | tuple[int, int] = False,
    ) -> AsyncProcess:
        """Start a command and return it while it runs. Arguments and errors are those of ``Sandbox.popen``.

        Example:
            >>> import asyncio
            >>> from subprocess import PIPE
            >>> from pyopenshell import AsyncSandbox
            >>> async def main():
            ...     async with AsyncSandbox() as box:
            ...         async with await box.popen(["/bin/cat"], stdin=PIPE, stdout=PIPE) as process:
            ...             return (await process.communicate(b"hello"))[0]
            >>> asyncio.run(main())
            b'hello'

        """
        link = self._open
        started = Command(request.command(command, env, cwd, terminal), stdin, stdout, stderr)
        try:
            await self._ask(started)
            await aio_waiting.until_begun(started)
            if started.lost:
                raise await aio_waiting.gone(link)
            return await connected(started, link)
        except BaseException:
            started.close()
            raise

    async def _ask(self, command: Command) -> None:
        """Have a command started. Raises SandboxGone, and what ``Command.open`` raises."""
        command.open()
        await aio_waiting.send(self._open, self._turn, protocol.COMMAND, command.asked, command.theirs)
        command.sent()

    async def _has_begun(self, create: bytes) -> bool:
        """Have the sandbox made. Returns whether it was; not, where the zygote had ended. Raises what failed."""
        link = self._link = Link()
        link.connect(create)
        try:
            await aio_waiting.send_all(link, link.unsent)
            await aio_waiting.told(link, None, to_end=False)
        except (BrokenPipeError, ConnectionResetError):
            pass
        if link.failure is not None:
            raise link.failure
        if link.ready is not None:
            self._evidence = Evidence(link.ready["record"])
        return link.ready is not None

    async def _give_up(self, error: BaseException) -> None:
        """End a sandbox that was not made whole, and wait until that is gone."""
        link = self._link
        if link is None:
            return
        try:
            link.hang_up()
            if not isinstance(error, GeneratorExit):  # then the loop is gone
                await aio_waiting.told(link, PATIENCE)
        finally:
            link.close()

    async def _end(self, link: Link) -> None:
        """Tell the sandbox to end, and wait for it."""
        if self._evidence is not None:
            self._evidence.keep()
        if not link.is_open:
            return
        link.closed = True
        try:
            protocol.send(link.socket, protocol.CLOSE)
        except OSError:  # it has ended by now
            pass
        await aio_waiting.told(link, PATIENCE)
        if not link.over:
            raise ZygoteError(
                f"{link.name} did not end in {PATIENCE:.0f} seconds", hint="openshell sandbox list shows it"
            )
