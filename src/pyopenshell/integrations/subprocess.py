"""The standard library's ``subprocess``, with the programs in a sandbox.

``run``, ``call``, ``check_call``, ``check_output`` and ``Popen`` take what their namesakes take, and ``sandbox`` (a
live ``Sandbox``) or ``policy`` (a sandbox of its own for this program; without either, behind the built-in policy).
They return and raise what their namesakes do. What makes no sense for a program in a sandbox is refused, not ignored.

Where they differ: ``env`` is laid over the sandbox's own environment, which holds little of the caller's; ``stdin``
is empty unless it is given; each program has a session of its own; ``pid`` is the one inside; and when it has ended, so
has all that it started and left behind in its session.
"""

from __future__ import annotations

import io
import os
import selectors
import time
from subprocess import DEVNULL, PIPE, STDOUT, CalledProcessError, CompletedProcess, SubprocessError, TimeoutExpired
from typing import IO, TYPE_CHECKING, Any

from pyopenshell.errors import CommandError
from pyopenshell.integrations.subprocess_arguments import command_of, os_error, refuse
from pyopenshell.sandbox.box import Sandbox

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self

    from pyopenshell.integrations.subprocess_arguments import Arguments, StrPath
    from pyopenshell.policy.model import Policy

__all__ = ["DEVNULL", "PIPE", "STDOUT", "CalledProcessError", "CompletedProcess", "Popen", "SubprocessError"]
__all__ += ["TimeoutExpired", "call", "check_call", "check_output", "run"]

_PIECE = 1 << 16


class Popen:
    """A program in a sandbox. Attributes and methods are those of ``subprocess.Popen``."""

    def __init__(  # noqa: PLR0917 - the standard library's order
        self,
        args: Arguments,
        bufsize: int = -1,
        executable: StrPath | None = None,
        stdin: int | IO[Any] | None = None,
        stdout: int | IO[Any] | None = None,
        stderr: int | IO[Any] | None = None,
        *,
        shell: bool = False,
        cwd: StrPath | None = None,
        env: Mapping[str, str] | None = None,
        encoding: str | None = None,
        errors: str | None = None,
        text: bool | None = None,
        universal_newlines: bool | None = None,
        sandbox: Sandbox | None = None,
        policy: Policy | StrPath | None = None,
        **others: object,
    ) -> None:
        """Start it. A sandbox of its own ends with it: when ``wait``, ``poll`` or ``communicate`` see its end.

        Raises FileNotFoundError and PermissionError for the program, ValueError and TypeError for arguments that
        make no sense here, and what ``Sandbox`` raises.
        """
        refuse(others)
        if sandbox is not None and policy is not None:
            raise ValueError("give a sandbox, which has its policy, or a policy, which gets a sandbox: not both")
        self.args = args
        self.returncode: int | None = None
        self._reading = encoding, errors
        self._is_text = bool(encoding or errors or text or universal_newlines)
        self._pieces: dict[IO[Any], list[bytes]] = {}
        self._input: memoryview | None = None
        command = command_of(args, shell=shell, executable=executable)
        self._own = Sandbox(policy).start() if sandbox is None else None
        try:
            self._process = (self._own or sandbox).popen(  # type: ignore[union-attr]
                command, stdin=stdin, stdout=stdout, stderr=stderr, env=env, cwd=cwd
            )
        except CommandError as error:
            self._close_own()
            raise os_error(error, command[0], cwd) from error
        except BaseException:
            self._close_own()
            raise
        self.pid = self._process.pid
        self.stdin = self._file(self._process.stdin, bufsize)
        self.stdout = self._file(self._process.stdout, bufsize)
        self.stderr = self._file(self._process.stderr, bufsize)

    def poll(self) -> int | None:
        """Return how it ended, -n for signal n, or None while it runs."""
        if self.returncode is None:
            self.returncode = self._process.poll()
            if self.returncode is not None:
                self._close_own()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and return that, as ``poll``. Raises TimeoutExpired."""
        if self.returncode is None:
            try:
                self.returncode = self._process.wait(timeout)
            except TimeoutError as error:
                raise TimeoutExpired(self.args, timeout or 0) from error
            self._close_own()
        return self.returncode

    def communicate(self, input: str | bytes | None = None, timeout: float | None = None) -> tuple[Any, Any]:  # noqa: A002
        """Feed it, read all that it writes, wait for its end; return stdout and stderr, None where they are no pipes.

        Raises TimeoutExpired; calling it again then goes on where it was.
        """
        if self._input is not None and input is not None:
            raise ValueError("it has its input already: the first call was given that")
        if self._input is None:
            self._input = memoryview(self._encoded(input))
        deadline = None if timeout is None else time.monotonic() + timeout
        try:
            self._exchange(deadline)
            self.wait(None if deadline is None else max(0.0, deadline - time.monotonic()))
        except TimeoutExpired:
            output = [b"".join(self._pieces[file]) or None if file in self._pieces else None for file in self._outputs]
            raise TimeoutExpired(self.args, timeout or 0, output=output[0], stderr=output[1]) from None
        return self._decoded(self.stdout), self._decoded(self.stderr)

    def send_signal(self, sig: int) -> None:
        """Send a signal to it and what it started in its process group; nothing where it has ended."""
        if self.poll() is None:
            self._process.send_signal(sig)

    def terminate(self) -> None:
        """Send SIGTERM."""
        if self.poll() is None:
            self._process.terminate()

    def kill(self) -> None:
        """Send SIGKILL."""
        if self.poll() is None:
            self._process.kill()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the pipes and wait for its end."""
        for file in (self.stdout, self.stderr):
            if file is not None:
                file.close()
        try:
            if self.stdin is not None:
                self.stdin.close()
        finally:
            self.wait()
            self._process.close()

    def __repr__(self) -> str:
        """Show the program and how it ended."""
        return f"<{type(self).__name__}: returncode: {self.returncode} args: {self.args!r}>"

    @property
    def _outputs(self) -> tuple[IO[Any] | None, IO[Any] | None]:
        return self.stdout, self.stderr

    def _close_own(self) -> None:
        if self._own is not None:
            self._own.close()

    def _file(self, raw: IO[bytes] | None, bufsize: int) -> IO[Any] | None:
        if raw is None or not self._is_text:
            return raw
        return self._as_text(raw, bufsize)

    def _encoded(self, given: str | bytes | None) -> bytes:
        if isinstance(given, str):
            if not self._is_text:
                raise TypeError("input is text, and the streams are bytes: pass text=True or an encoding")
            encoded = io.BytesIO()
            with self._as_text(encoded) as writer:
                writer.write(given)
                writer.flush()
                return encoded.getvalue()
        if given is not None and self._is_text:
            raise TypeError("input is bytes, and the streams are text")
        return given or b""

    def _decoded(self, file: IO[Any] | None) -> str | bytes | None:
        if file is None:
            return None
        data = b"".join(self._pieces.get(file, ()))
        if not self._is_text:
            return data
        with self._as_text(io.BytesIO(data)) as reader:
            return reader.read()

    def _as_text(self, data: IO[bytes], bufsize: int = -1) -> io.TextIOWrapper:
        encoding, errors = self._reading
        return io.TextIOWrapper(data, encoding=encoding, errors=errors, write_through=True, line_buffering=bufsize == 1)

    def _exchange(self, deadline: float | None) -> None:
        """Feed and read until every pipe is at its end. Raises TimeoutExpired."""
        with selectors.DefaultSelector() as selector:
            for file in self._outputs:
                if file is not None and not file.closed:
                    self._pieces.setdefault(file, [])
                    selector.register(file, selectors.EVENT_READ)
            if self.stdin is not None and not self.stdin.closed:
                self._flush()
                if self._input:
                    os.set_blocking(self.stdin.fileno(), False)
                    selector.register(self.stdin, selectors.EVENT_WRITE)
                else:
                    self.stdin.close()
            while selector.get_map():
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left < 0:
                    raise TimeoutExpired(self.args, 0)
                for key, _ in selector.select(left):
                    if self._pass(key.fileobj):  # type: ignore[arg-type]
                        selector.unregister(key.fileobj)
                        key.fileobj.close()  # type: ignore[union-attr]

    def _pass(self, file: IO[Any]) -> bool:
        """Feed or read once. Returns whether that was the last."""
        if file is not self.stdin:
            data = os.read(file.fileno(), _PIECE)
            self._pieces[file].append(data)
            return not data
        try:
            self._input = (self._input or memoryview(b""))[os.write(file.fileno(), self._input or b"") :]
        except BlockingIOError:
            return False
        except BrokenPipeError:  # it does not want to read the rest
            return True
        return not self._input

    def _flush(self) -> None:
        try:
            if self.stdin is not None:
                self.stdin.flush()
        except BrokenPipeError:
            pass


def run(
    args: Arguments,
    *,
    input: str | bytes | None = None,  # noqa: A002 - the standard library's name
    capture_output: bool = False,
    timeout: float | None = None,
    check: bool = False,
    **options: Any,
) -> CompletedProcess[Any]:
    """Run a program in a sandbox and return how it ended. ``options`` are those of ``Popen``.

    Raises TimeoutExpired (it was killed then), CalledProcessError where ``check`` asks for it, and what ``Popen`` does.
    """
    if input is not None:
        if options.get("stdin") is not None:
            raise ValueError("stdin and input arguments may not both be used.")
        options["stdin"] = PIPE
    if capture_output:
        if options.get("stdout") is not None or options.get("stderr") is not None:
            raise ValueError("stdout and stderr arguments may not be used with capture_output.")
        options |= {"stdout": PIPE, "stderr": PIPE}
    with Popen(args, **options) as process:
        try:
            stdout, stderr = process.communicate(input, timeout)
        except BaseException:  # KeyboardInterrupt too: nothing is left to run
            process.kill()
            raise
    status = process.wait()
    if check and status:
        raise CalledProcessError(status, args, output=stdout, stderr=stderr)
    return CompletedProcess(args, status, stdout, stderr)


def call(args: Arguments, *, timeout: float | None = None, **options: Any) -> int:
    """Run a program in a sandbox, and return how it ended. Raises what ``run`` does."""
    return run(args, timeout=timeout, **options).returncode


def check_call(args: Arguments, *, timeout: float | None = None, **options: Any) -> int:
    """Run a program in a sandbox, and return 0. Raises CalledProcessError where it ended otherwise."""
    return run(args, timeout=timeout, check=True, **options).returncode


def check_output(args: Arguments, *, timeout: float | None = None, **options: Any) -> Any:
    """Run a program in a sandbox, and return what it wrote. Raises CalledProcessError where it did not end with 0."""
    if "stdout" in options:
        raise ValueError("stdout argument not allowed, it will be overridden.")
    return run(args, stdout=PIPE, timeout=timeout, check=True, **options).stdout
