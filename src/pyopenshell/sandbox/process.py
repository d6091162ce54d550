"""A command in a sandbox while it runs, for programs that block: what ``subprocess.Popen`` is for a bare one."""

from __future__ import annotations

import fcntl
import os
import struct
import termios
import time
import warnings

from pyopenshell.errors import CommandTimeout
from pyopenshell.kernel import signals
from pyopenshell.sandbox import request, waiting
from pyopenshell.sandbox.exchange import Exchange
from pyopenshell.zygote import client, own_ends

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import IO, NoReturn, Self

    from pyopenshell.sandbox.command import Command
    from pyopenshell.sandbox.link import Link


class Running:
    """A command that was started, as callers that block and callers that do not see it."""

    _BUFFERING = -1

    def __init__(self, command: Command, link: Link) -> None:
        """Take over a command that runs. Raises what kept it from starting."""
        self._command = command
        self._link = link
        if command.failure is not None:
            raise command.failure
        self._returncode: int | None = None

    @property
    def args(self) -> tuple[str, ...]:
        """The command."""
        return tuple(self._command.asked["argv"])

    @property
    def pid(self) -> int:
        """Its process id inside of the sandbox. Outside it may be another process's: use ``send_signal``."""
        return self._command.pid or 0

    @property
    def master(self) -> int | None:
        """The descriptor of its terminal's other side, which stays this object's; None without a terminal."""
        return self._command.master if self._command.master >= 0 else None

    @property
    def returncode(self) -> int | None:
        """Its exit code, -n after signal n; None while that is not known (``poll`` looks)."""
        return self._returncode

    def poll(self) -> int | None:
        """Return its exit code, -n after signal n, None while it runs. Raises SandboxGone."""
        self._link.check_owner()
        self._command.take()
        if self._returncode is None and self._command.over:
            if self._command.status is None:
                raise self._link.explain()
            self._returncode = os.waitstatus_to_exitcode(self._command.status)
        return self._returncode

    def send_signal(self, number: int) -> None:
        """Send a signal to the command's process group; nothing where it has ended. Raises UsageError for no signal."""
        number = request.signal(number)
        if self.poll() is None:
            self._command.signal(number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signals.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signals.SIGKILL)

    def resize(self, rows: int, columns: int) -> None:
        """Give its terminal another size; whoever is in the foreground there gets SIGWINCH. Raises ValueError."""
        if self.master is None:
            raise ValueError("this command has no terminal")
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))

    def _file(self, number: int) -> IO[bytes] | None:
        """Make a file of one of its streams, if that was PIPE."""
        fd = self._command.streams[number]
        if fd < 0:
            return None
        with client.lock:
            self._command.streams[number] = -1  # first: of two that own a descriptor each would close it
            file = open(fd, "rb" if number else "wb", buffering=self._BUFFERING)  # noqa: SIM115 - closed in close()
            self._command.files.append(file)
        return file

    def __reduce__(self) -> NoReturn:
        """Refuse to be copied, and pickled: two would each end the one command."""
        raise TypeError(f"a {type(self).__name__} cannot be copied or pickled")

    def __repr__(self) -> str:
        """Show the command and its exit code."""
        return f"<{type(self).__name__} {' '.join(self.args)!r} returncode={self._returncode}>"

    def __del__(self) -> None:
        """Have a command killed that was forgotten, and say so."""
        command = getattr(self, "_command", None)
        if command is None or command.socket.fileno() < 0:
            return
        command.take()
        if not command.over:
            warnings.warn(f"{self!r} still runs, and is killed", ResourceWarning, source=self, stacklevel=2)
        command.close()


class Process(Running):
    """A command in a sandbox that runs. Use it in a ``with`` block, which waits for it (and kills it after an error).

    ``stdin``, ``stdout`` and ``stderr`` are binary files for those that were PIPE, else None.

    Example:
        >>> from pyopenshell import Sandbox
        >>> with Sandbox() as box, box.popen(["/bin/sleep", "60"]) as process:
        ...     process.terminate()
        ...     process.wait()
        -15

    """

    def __init__(self, command: Command, link: Link) -> None:
        """Take over a command that runs. Raises what kept it from starting."""
        super().__init__(command, link)
        self.stdin = self._file(0)
        self.stdout = self._file(1)
        self.stderr = self._file(2)
        self._exchange: Exchange | None = None

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended; return its exit code, -n after signal n.

        Raises CommandTimeout after ``timeout`` seconds, and lets it run on; SandboxGone.
        """
        self._link.check_owner()
        limit = request.seconds(timeout)
        if not waiting.until_over(self._command, None if limit is None else time.monotonic() + limit):
            raise self._still_runs(limit)
        if self._command.lost:
            raise self._link.gone()
        code = self.poll()
        assert code is not None  # noqa: S101 - it is over
        return code

    def communicate(
        self,
        input: str | bytes | None = None,  # noqa: A002 - as in subprocess
        timeout: float | None = None,
    ) -> tuple[bytes, bytes]:
        """Feed it ``input``, take what it writes and wait until it has ended. Returns what came from both streams.

        What it prints on a terminal is in the first. Raises CommandTimeout after ``timeout`` seconds, and lets it run
        on: what it wrote is not lost, and comes with the next call (which has no input). Raises SandboxGone.
        """
        limit = request.seconds(timeout)
        deadline = None if limit is None else time.monotonic() + limit
        if self._exchange is None:
            data = request.data(input)
            self._take_back()
            self._exchange = Exchange(self._command, data)
        while not self._exchange.over:
            self._link.check_owner()
            if not waiting.step(self._exchange, deadline):
                raise self._still_runs(limit)
        self.wait()
        chunks = self._exchange.chunks
        return tuple(b"".join([data for number, data in chunks if number == stream]) for stream in (1, 2))  # type: ignore[return-value]

    def close(self) -> None:
        """Close everything. A command that still runs is killed, and waited for."""
        if not self._command.over:
            waiting.finish(Exchange(self._command, None))
        self._close_files()
        self._command.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close its streams and wait for it; kill it where an error ends the block."""
        try:
            if error is None:
                self._close_files()
                self.wait()
        finally:
            self.close()

    def _take_back(self) -> None:
        """Make descriptors of the files again, for reading from all of them at once."""
        with client.lock:
            for number, file in enumerate((self.stdin, self.stdout, self.stderr)):
                if file is not None and not file.closed:
                    self._command.streams[number] = fcntl.fcntl(
                        file.fileno(), fcntl.F_DUPFD_CLOEXEC, own_ends.STREAMS + 1
                    )
        self._close_files()

    def _close_files(self) -> None:
        for file in (self.stdout, self.stderr, self.stdin):
            try:
                if file is not None:
                    file.close()
            except BrokenPipeError:  # it did not want to read the rest
                pass
        self._command.files.clear()

    def _still_runs(self, limit: float | None) -> CommandTimeout:
        return CommandTimeout(f"{self.args[0]} still runs after {limit:g} seconds", result=None, hint="kill() ends it")
