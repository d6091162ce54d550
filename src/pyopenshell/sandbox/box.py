"""A sandbox in which any number of commands run, for programs that block."""

from __future__ import annotations

import _socket

from pyopenshell.errors import ZygoteError
from pyopenshell.sandbox import base, request, waiting
from pyopenshell.sandbox.command import Command
from pyopenshell.sandbox.link import PATIENCE, Link
from pyopenshell.sandbox.process import Process
from pyopenshell.sandbox.result import Evidence
from pyopenshell.sandbox.stream import Stream
from pyopenshell.zygote import protocol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from pyopenshell.sandbox.command import Redirect
    from pyopenshell.sandbox.request import StrPath
    from pyopenshell.sandbox.result import Result


class Sandbox(base.Box):
    r"""A sandbox of this process, in which any number of commands run, one after another or at once.

    They share its domain, its namespaces, its private folders and its broker. Any thread may use it, also one in which
    an event loop runs (which then waits as well). It ends with ``close``, with the ``with`` block, and with this
    process. A process that is forked from this one cannot use it.

    Example:
        >>> from pyopenshell import Sandbox
        >>> with Sandbox() as box:
        ...     greeting = box.run(["/bin/sh", "-c", "echo hello"])
        ...     refusal = box.run(["/bin/sh", "-c", "echo > /etc/motd"])
        >>> greeting.stdout
        'hello\n'
        >>> refusal.ok
        False

    """

    def start(self) -> Self:
        """Start it: afterwards it confines, and commands can be run. Does nothing where it is open.

        Raises PolicyRefused, IdentityError, GpuError, KernelUnsupported, LaunchError, NameInUse, StateError,
        ContributorError and UsageError for what is wrong with the request here; ZygoteError; SandboxGone for one that
        was closed.

        Example:
            >>> from pyopenshell import Sandbox
            >>> box = Sandbox().start()
            >>> box.is_open
            True
            >>> box.close()

        """
        if self._is_known():
            self._open  # noqa: B018 - raises where it was closed, or is another process's
            return self
        with self._starting:
            if self._is_known():  # another thread was faster
                return self
            create = request.create(self._request, self._policy)
            try:
                if not self._has_begun(create):
                    self._drop()
                    if not self._has_begun(create):
                        raise self._useless()
            except BaseException:
                self._give_up()
                raise
        return self

    def close(self) -> None:
        """End it and everything in it, and wait until that is gone. Does nothing where it was closed.

        Results keep what was in force. What could not be ended, or written into its record, is a RuntimeWarning.
        Raises ZygoteError where the end is not told within 30 seconds.

        Example:
            >>> from pyopenshell import Sandbox
            >>> box = Sandbox().start()
            >>> box.close()
            >>> box.is_open
            False

        """
        link = self._link
        if link is None:
            return
        with link.waiting:
            if link.socket.fileno() < 0:
                return
            try:
                self._end(link)
            finally:
                link.close()
        base.settled(link)

    def __enter__(self) -> Self:
        """Start it."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def run(
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
        """Run a command and wait until it has ended.

        ``input`` is fed to its standard input, which is empty without. ``env`` is set over the sandbox's own
        variables; ``cwd`` is where it starts, relative to the sandbox's working directory. After ``timeout`` seconds
        it is killed with all that it started. ``check`` raises unless it exits with 0. ``capture=False`` lets it write
        to this process's own stdout and stderr (if they are a terminal, it cannot read from that). ``terminal`` gives
        it a terminal of its own, of 24 rows and 80 columns or of (rows, columns): then all that it prints, and what
        the terminal echoes of ``input``, is in ``stdout``.

        It returns when the command itself has exited, with what was written until then. What the command left in the
        background runs on until the sandbox ends, and is not listened to. Whatever interrupts the call (also
        KeyboardInterrupt) kills the command first, and waits until it is gone.

        Raises CommandError where it cannot be executed, CommandTimeout, CommandFailed, SandboxGone, UsageError.

        Example:
            >>> from pyopenshell import Sandbox
            >>> with Sandbox() as box:
            ...     box.run(["/bin/cat"], input="to be sorted").stdout
            'to be sorted'

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
            self._ask(job.command)
            while not job.exchange.over:
                if not waiting.step(job.exchange, job.deadline):
                    break
            if not job.exchange.over:
                waiting.finish(job.exchange)
                job.check_time()
            return waiting.outcome(job)
        except BaseException:
            if not job.exchange.over:
                waiting.finish(job.exchange)
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
    ) -> Stream:
        r"""Start a command, and return what it writes as it comes: an iterator of ``Chunk``.

        Arguments and errors are those of ``run``. While nobody asks for the next chunk, a command that writes more than
        a pipe holds waits; the timeout is looked at when somebody asks. Closing the stream, or forgetting it, kills
        the command. After the last chunk its ``result`` says how the command ended, without what it wrote.

        Example:
            >>> from pyopenshell import Sandbox
            >>> with Sandbox() as box:
            ...     stream = box.stream(["/bin/sh", "-c", "echo one; echo two"])
            ...     text = "".join(chunk.text for chunk in stream)
            >>> text, stream.result.exit
            ('one\ntwo\n', 0)

        """
        job = self._job(command, input=input, env=env, cwd=cwd, timeout=timeout, check=check, terminal=terminal)
        try:
            self._ask(job.command)
            return Stream(job)
        except BaseException:
            job.command.close()
            raise

    def popen(
        self,
        command: Sequence[StrPath],
        *,
        stdin: Redirect = None,
        stdout: Redirect = None,
        stderr: Redirect = None,
        env: Mapping[str, str] | None = None,
        cwd: StrPath | None = None,
        terminal: bool | tuple[int, int] = False,
    ) -> Process:
        """Start a command and return it while it runs, as ``subprocess.Popen`` does.

        ``stdin``, ``stdout`` and ``stderr`` are PIPE, DEVNULL, STDOUT (those of ``subprocess``, for stderr), a
        descriptor or a file; None is this process's own stdout and stderr, and an empty stdin. Of a terminal of the
        caller's nothing can be read. With a ``terminal`` of its own it has none of the three.

        Raises CommandError where it cannot be executed, SandboxGone, UsageError.

        Example:
            >>> from subprocess import PIPE
            >>> from pyopenshell import Sandbox
            >>> with Sandbox() as box, box.popen(["/bin/cat"], stdin=PIPE, stdout=PIPE) as process:
            ...     process.communicate(b"hello")[0]
            b'hello'

        """
        link = self._open
        started = Command(request.command(command, env, cwd, terminal), stdin, stdout, stderr)
        try:
            self._ask(started)
            waiting.until_begun(started)
            if started.lost:
                raise link.gone()
            return Process(started, link)
        except BaseException:
            started.close()
            raise

    def _ask(self, command: Command) -> None:
        """Have a command started. Raises SandboxGone, and what ``Command.open`` raises."""
        command.open()
        self._open.send(protocol.COMMAND, command.asked, command.theirs)
        command.sent()

    def _has_begun(self, create: bytes) -> bool:
        """Have the sandbox made. Returns whether it was; not, where the zygote had ended. Raises what failed."""
        link = self._link = Link()
        link.connect(create)
        try:
            if link.unsent:
                link.socket.sendall(link.unsent, _socket.MSG_NOSIGNAL)
            with link.waiting:
                link.wait(to_end=False)
        except (BrokenPipeError, ConnectionResetError):
            pass
        if link.failure is not None:
            raise link.failure
        if link.ready is not None:
            self._evidence = Evidence(link.ready["record"])
        return link.ready is not None

    def _give_up(self) -> None:
        """End a sandbox that was not made whole, and wait until that is gone."""
        link = self._link
        if link is None:
            return
        try:
            link.hang_up()
            with link.waiting:
                link.wait(PATIENCE)
        finally:
            link.close()

    def _end(self, link: Link) -> None:
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
        link.wait(PATIENCE)
        if not link.over:
            raise ZygoteError(
                f"{link.name} did not end within {PATIENCE:.0f} seconds", hint="see openshell sandbox list"
            )
