"""One call of ``run`` or ``stream``: a command, what passes to and from it, and what is said of it in the end."""

from __future__ import annotations

import codecs
import os
import time

from pyopenshell.errors import CommandTimeout
from pyopenshell.kernel import signals
from pyopenshell.sandbox.exchange import Exchange
from pyopenshell.sandbox.result import Chunk, Result

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyopenshell.sandbox.command import Command
    from pyopenshell.sandbox.link import Link
    from pyopenshell.sandbox.result import Evidence


class Job:
    """A command whose output is wanted, with a time until which it has to end."""

    def __init__(
        self,
        command: Command,
        link: Link,
        evidence: Evidence,
        *,
        data: bytes | None,
        timeout: float | None,
        check: bool,
    ) -> None:
        """Count the time from here on."""
        self.command = command
        self.exchange = Exchange(command, data)
        self.began = time.monotonic()
        self.deadline = None if timeout is None else self.began + timeout
        self.link = link
        self._evidence = evidence
        self._timeout = timeout
        self._check = check
        self._decoders: dict[int, codecs.IncrementalDecoder] = {}

    def result(self) -> Result:
        """Return how it ended. Raises what kept it from starting, CommandFailed; SandboxGone where it was lost."""
        if self.command.failure is not None:
            raise self.command.failure
        if self.command.status is None:
            raise self.link.explain()
        result = self._result(os.waitstatus_to_exitcode(self.command.status))
        return result.check() if self._check else result

    def check_time(self) -> None:
        """Raise CommandTimeout for a command that was to be killed, unless it had ended by itself by then."""
        status = self.command.status
        if self.command.failure is None and (status is None or not os.WIFEXITED(status)):
            raise self._too_long()

    def _too_long(self) -> CommandTimeout:
        status = self.command.status
        result = self._result(-signals.SIGKILL if status is None else os.waitstatus_to_exitcode(status))
        hint = None
        if not self.exchange.over:
            hint = "it is still there: killed, and held by the kernel; the sandbox ends only when that lets it go"
        return CommandTimeout(
            f"{result.command[0]} took longer than {self._timeout:g} seconds and was killed", result=result, hint=hint
        )

    def take(self) -> list[Chunk]:
        """Return what came since it was asked last, as chunks; nothing of it is kept."""
        found, self.exchange.chunks = self.exchange.chunks, []
        chunks = [self._chunk(number, data) for number, data in found]
        if self.exchange.over:
            rests = [(number, decoder.decode(b"", final=True)) for number, decoder in self._decoders.items()]
            chunks += [Chunk("stdout" if number == 1 else "stderr", b"", text) for number, text in rests if text]
        return chunks

    def _chunk(self, number: int, data: bytes) -> Chunk:
        decoder = self._decoders.get(number)
        if decoder is None:
            decoder = self._decoders[number] = codecs.getincrementaldecoder("utf-8")("replace")
        return Chunk("stdout" if number == 1 else "stderr", data, decoder.decode(data))

    def _result(self, code: int) -> Result:
        """Return a result; ``code`` is -n for signal n."""
        chunks = self.exchange.chunks
        return Result(
            command=tuple(self.command.asked["argv"]),
            exit=code if code >= 0 else 128 - code,
            signal=-code if code < 0 else None,
            stdout_bytes=b"".join([data for number, data in chunks if number == 1]),
            stderr_bytes=b"".join([data for number, data in chunks if number == 2]),
            seconds=time.monotonic() - self.began,
            evidence=self._evidence,
        )
