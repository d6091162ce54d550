"""Files here, read and written as those of a sandbox are: by an agent's operations, in this process.

So the two ends of a transfer are the same code, and what came from a sandbox is put on this disk name by name, each in
an open folder and never through a link: no entry can leave the destination, whatever anybody renames meanwhile.
"""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING, Any, Self

from pyopenshell.gateway.files import answers
from pyopenshell.gateway.files.remote import RemoteFiles
from pyopenshell.launch import files_wire as wire
from pyopenshell.launch.files_agent import Agent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Generator, Iterator
    from typing import TypeVar

    T = TypeVar("T")


def now(work: Coroutine[Any, Any, T]) -> T:
    """Return what a coroutine returns that only uses files here: it never waits, and needs no event loop."""
    try:
        work.send(None)
    except StopIteration as stop:
        value: T = stop.value
        return value
    raise RuntimeError("a coroutine waits, and nothing can wake it")


def each(work: AsyncIterator[T]) -> Iterator[T]:
    """Yield what an asynchronous iterator yields that only uses files here."""
    while True:
        try:
            yield now(work.__anext__())  # type: ignore[arg-type]
        except StopAsyncIteration:
            return


class _Outcome:
    """What became of a request, to be awaited as the answer of a connection is."""

    def __init__(self, outcome: list[Any] | OSError) -> None:
        self._outcome = outcome

    def __await__(self) -> Generator[Any, None, list[Any]]:
        yield from ()  # there is nothing to wait for
        if isinstance(self._outcome, OSError):
            raise self._outcome
        return self._outcome


class Direct:
    """An agent without a connection."""

    def __init__(self) -> None:
        """Start in the current folder."""
        self._agent = Agent()

    async def __aenter__(self) -> Self:
        """Return it."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Remove files that were not completed, and close all."""
        self._agent.clean()

    async def ask(self, operation: int, *values: Any, about: bytes = b"") -> list[Any]:
        """Do it, and return what comes of it. Raises OSError."""
        number, body = self._agent.answer(operation, wire.pack(wire.REQUESTS[operation], *values))
        if number:
            raise OSError(number, os.strerror(number), os.fsdecode(about) or None)
        return answers.checked(operation, body)

    async def send(self, operation: int, *values: Any, about: bytes = b"") -> _Outcome:
        """Do it, and return what became of it."""
        try:
            return _Outcome(await self.ask(operation, *values, about=about))
        except OSError as error:
            return _Outcome(error)

    def forget(self, handle: int) -> None:
        """Close a handle."""
        self._agent.answer(wire.CLOSE, wire.pack(wire.REQUESTS[wire.CLOSE], handle))


class LocalFiles(RemoteFiles):
    """The files of this host, as this process may use them. Relative paths start from its current folder."""

    def __init__(self) -> None:
        """Start in the current folder."""
        self.connection = Direct()
        self._handles = itertools.count(wire.HERE + 1)
