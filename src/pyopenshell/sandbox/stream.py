"""What a command writes, as it comes."""

from __future__ import annotations

from collections.abc import Iterator

from pyopenshell.sandbox import waiting
from pyopenshell.sandbox.result import Chunk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from pyopenshell.sandbox.job import Job
    from pyopenshell.sandbox.result import Result


class Stream(Iterator[Chunk]):
    """The chunks of a command's output. It kills the command when it is closed, or forgotten, before the last one.

    Example:
        >>> from pyopenshell import Sandbox
        >>> with Sandbox() as box, box.stream(["/bin/sh", "-c", "echo begun; exec sleep 60"]) as stream:
        ...     print(next(stream).text, end="")
        begun

    """

    def __init__(self, job: Job) -> None:
        """Take over a command that was asked for."""
        self._job = job
        self._chunks: list[Chunk] = []
        self._result: Result | None = None
        self._closed = False

    @property
    def result(self) -> Result:
        """How the command ended. Raises ValueError before the last chunk was taken, and after ``close``."""
        if self._result is None:
            raise ValueError("the command's result is known when its last chunk was taken")
        return self._result

    def __next__(self) -> Chunk:
        """Wait for the next chunk. At the end raises StopIteration; and what ``Sandbox.run`` raises."""
        job = self._job
        try:
            job.link.check_owner()
            while not self._chunks:
                if self._closed:
                    raise StopIteration
                if job.exchange.over:
                    self._result = waiting.outcome(job)
                    self._leave()
                elif waiting.step(job.exchange, job.deadline):
                    self._chunks = job.take()[::-1]
                else:
                    waiting.finish(job.exchange)
                    job.check_time()
                    self._chunks = job.take()[::-1]
        except StopIteration:
            raise
        except BaseException:
            self.close()
            raise
        return self._chunks.pop()

    def close(self) -> None:
        """Kill the command if it still runs, and wait until nothing of it is left."""
        if self._closed:
            return
        self._chunks.clear()
        try:
            if not self._job.exchange.over:
                waiting.finish(self._job.exchange)
        finally:
            self._leave()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def __del__(self) -> None:
        """Have the command killed; a finalizer does not wait."""
        if not getattr(self, "_closed", True):
            self._leave()

    def _leave(self) -> None:
        self._closed = True
        self._job.command.close()
