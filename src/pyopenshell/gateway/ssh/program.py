"""A session channel of an SSH client: a shell or a command as a program of the sandbox, or files (SFTP, SCP)."""

from __future__ import annotations

import asyncio
import os
import re
import signal

import asyncssh
from asyncssh.stream import SSHServerStreamSession

from pyopenshell.errors import CommandError, OpenShellError
from pyopenshell.gateway.ssh import shell
from pyopenshell.gateway.ssh.sftp import SandboxFiles
from pyopenshell.supervisor.session import Ended, Output, Program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from asyncssh import SSHReader, SSHServerChannel, SSHWriter

    from pyopenshell.gateway.ssh.visit import Visit
    from pyopenshell.supervisor.session import Session

OURS = 255
"""What ssh exits with for failures of its own, and we for ours."""
GRACE = 3.0
"""Seconds that a program has to end after its client vanished (SIGHUP), before it is killed."""
VARIABLES = re.compile(rb"LANG|LC_[A-Z]{1,32}")
"""What an SSH client may set, besides TERM: what sshd of most systems accepts."""
_VALUE = re.compile(rb"[\x20-\x7e]{0,256}")
_TERM = re.compile(r"[A-Za-z0-9._+-]{1,64}")
_CHUNK = 64 << 10
_SIGNALS = 64
"""Signals that may wait to be sent."""


class SandboxSession(SSHServerStreamSession[bytes]):
    """What asyncssh asks, from when a client opens a session until it is closed."""

    def __init__(self, visit: Visit) -> None:
        """Serve a client of a visit."""
        visit.channels += 1
        super().__init__(self._begin, lambda chan: SandboxFiles(chan, visit, self), sftp_version=3, allow_scp=True)
        self._visit = visit
        self._lost = asyncio.get_running_loop().create_future()
        self._size: tuple[int, int] | None = None
        self._signals: list[int] = []
        self._news = asyncio.Event()

    def pty_requested(
        self, term_type: str, term_size: tuple[int, int, int, int], term_modes: Mapping[int, int]
    ) -> bool:
        """Grant a terminal; it is one of the sandbox's own."""
        return True

    def subsystem_requested(self, subsystem: str) -> bool:
        """Refuse all subsystems but SFTP."""
        return subsystem == "sftp"

    def break_received(self, msec: int) -> bool:
        """Refuse: a terminal of the sandbox has no line to break."""
        return False

    def signal_received(self, signal: str) -> None:
        """Send a signal to the program; one that is not known is passed over."""
        number = _number(signal)
        if number is not None and len(self._signals) < _SIGNALS:
            self._signals.append(number)
            self._news.set()

    def terminal_size_changed(self, width: int, height: int, pixwidth: int, pixheight: int) -> None:
        """Give the program's terminal another size."""
        self._size = _rows_and_columns(width, height)
        self._news.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the program's task that nobody reads any more."""
        super().connection_lost(exc)
        self._visit.channels -= 1
        self._lost.set_result(None)

    def _begin(self, stdin: SSHReader[bytes], stdout: SSHWriter[bytes], stderr: SSHWriter[bytes]) -> None:
        self._visit.spawn(self._serve(stdin, stdout, stderr))

    async def _serve(self, stdin: SSHReader[bytes], stdout: SSHWriter[bytes], stderr: SSHWriter[bytes]) -> None:
        """Run the program from its start to its end, and tell the client how it ended."""
        channel: SSHServerChannel[bytes] = self._chan  # type: ignore[assignment]
        try:
            session = await self._start(channel)
        except OpenShellError as error:
            self._say(stderr, error)
            channel.exit(error.exit_code if isinstance(error, CommandError) else OURS)
            return
        has_terminal = channel.get_terminal_type() is not None
        showing = asyncio.create_task(self._show(session, stdout, stderr))
        beside = [
            asyncio.create_task(self._feed(session, stdin, has_terminal=has_terminal)),
            asyncio.create_task(self._control(session)),
        ]
        try:
            await asyncio.wait({showing, self._lost}, return_when=asyncio.FIRST_COMPLETED)
            if not showing.done():
                await self._hang_up(session, showing)
                return
            ended = showing.result()
            if ended.signal is not None:
                channel.exit_with_signal(_name(ended.signal), msg=f"killed by signal {ended.signal}")
            else:
                channel.exit(ended.code)
        except OpenShellError as error:  # the sandbox is gone
            self._say(stderr, error)
            channel.exit(OURS)
        finally:
            for task in (showing, *beside):
                task.cancel()
            session.detach()

    async def _start(self, channel: SSHServerChannel[bytes]) -> Session:
        """Start the program that the client asked for. Raises OpenShellError."""
        terminal = None
        env = _environment(channel.get_environment_bytes())
        kind = channel.get_terminal_type()
        if kind is not None:
            width, height, *_ = channel.get_terminal_size()
            terminal = _rows_and_columns(width, height)
            env["TERM"] = kind if _TERM.fullmatch(kind) else "dumb"
        command = channel.get_command()
        supervised = self._visit.supervised
        missing: CommandError | None = None
        for path in shell.candidates(supervised.record):
            argv = (path, "-l") if command is None else (path, "-c", command)
            program = Program(argv=argv, env=env, cwd=None, terminal=terminal, timeout=None, stdin=True)
            try:
                return await supervised.start(program)
            except CommandError as error:
                missing = missing or error
        raise CommandError(
            f"no shell can be executed in the sandbox: {missing}",
            hint="openshell sandbox exec NAME -- COMMAND needs none",
            code=missing.code if missing else None,
        )

    async def _show(self, session: Session, stdout: SSHWriter[bytes], stderr: SSHWriter[bytes]) -> Ended:
        """Pass the program's output to the client, no faster than it reads; return how the program ended.

        When nobody reads any more, the rest is thrown away: a program must not wait for ever with its last words.
        """
        async for item in session:
            if isinstance(item, Ended):
                return item
            if self._lost.done() or not isinstance(item, Output):
                continue
            try:
                writer = stderr if item.stream == 2 else stdout
                writer.write(item.data)
                await writer.drain()
                await self._visit.link.room()
            except (OSError, asyncssh.Error):
                continue
        return Ended(code=OURS, signal=None, timed_out=False)

    async def _feed(self, session: Session, stdin: SSHReader[bytes], *, has_terminal: bool) -> None:
        """Pass the client's input to the program, no faster than it reads, and the end of it where it has one."""
        try:
            while data := await stdin.read(_CHUNK):
                await session.write(data)
            if not has_terminal and not self._lost.done():
                await session.eof()
        except (OSError, OpenShellError, asyncssh.Error):  # the program reads no more: neither does the client wait
            try:
                while await stdin.read(_CHUNK):
                    pass
            except (OSError, asyncssh.Error):
                pass

    async def _control(self, session: Session) -> None:
        """Pass on signals and sizes as they come."""
        try:
            while True:
                await self._news.wait()
                self._news.clear()
                size, self._size = self._size, None
                if size is not None:
                    await session.resize(*size)
                while self._signals:
                    await session.signal(self._signals.pop(0))
        except (OSError, OpenShellError):  # it has ended
            pass

    async def _hang_up(self, session: Session, showing: asyncio.Task[Ended]) -> None:
        """End the program of a client that went away: first as a terminal's loss does, then for certain."""
        try:
            await session.signal(int(signal.SIGHUP))
            await asyncio.wait({showing}, timeout=GRACE)
            if not showing.done():
                await session.cancel()
                await asyncio.wait({showing}, timeout=GRACE)
        except (OSError, OpenShellError):  # it has ended meanwhile, or its sandbox
            pass

    def _say(self, stderr: SSHWriter[bytes], error: OpenShellError) -> None:
        try:
            text = "openshell: " + "".join(f"{line}\r\n" for line in error.lines())
            stderr.write(text.encode(errors="replace"))
        except (OSError, asyncssh.Error):
            pass


def _environment(asked: Mapping[bytes, bytes]) -> dict[str, str]:
    return {
        name.decode(): value.decode()
        for name, value in asked.items()
        if VARIABLES.fullmatch(name) and _VALUE.fullmatch(value)
    }


def _rows_and_columns(width: int, height: int) -> tuple[int, int]:
    """Return a terminal's size; a client that knows none sends zeros."""
    return min(height or 24, 0xFFFF), min(width or 80, 0xFFFF)


def _number(name: str) -> int | None:
    """Return the number of a signal as SSH names it: without SIG (RFC 4254, section 6.10)."""
    try:
        return int(signal.Signals[f"SIG{name}"])
    except KeyError:
        return None


def _name(number: int) -> str:
    """Return SSH's name of a signal; one that has none gets ours, in the form that is set apart for that."""
    try:
        return signal.Signals(number).name.removeprefix("SIG")
    except ValueError:
        return f"{number}@{os.uname().sysname.lower()}"
