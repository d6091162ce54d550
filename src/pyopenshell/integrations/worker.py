"""One worker of ``SandboxExecutor``, seen from outside: a sandbox, and the Python in it that makes calls."""

from __future__ import annotations

import os
import pickle
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from pyopenshell.errors import OpenShellError
from pyopenshell.integrations import python_path, values
from pyopenshell.integrations.door import Door, DoorRefused
from pyopenshell.integrations.text import printable
from pyopenshell.sandbox.box import Sandbox

if TYPE_CHECKING:
    from typing import Any

    from pyopenshell.integrations.options import SandboxOptions
    from pyopenshell.policy.model import Policy

_MARGIN = 1 << 20
"""Bytes of a frame beside the result: what an exception's text may take."""


class RemoteError(OpenShellError):
    """The call raised in its sandbox. What is known of that is text: ``type``, ``text`` and ``traceback``."""

    code = "task.raised"

    def __init__(self, type_: str, text: str, traceback: str) -> None:
        """Take what the sandbox sent, made printable."""
        super().__init__(f"{type_}: {text}" if text else type_)
        self.type = type_
        self.text = text
        self.traceback = traceback
        self.add_note(f"In the sandbox:\n{traceback.rstrip()}")


class ResultRefused(OpenShellError):
    """The call's result cannot come out: it is no plain data, or too large."""

    code = "task.result"


class Worker:
    """A sandbox with a process that makes one call after another. For one thread at a time, but for ``interrupt``."""

    def __init__(
        self,
        policy: Policy | str | os.PathLike[str] | None,
        options: SandboxOptions,
        python: str,
        limit: int,
    ) -> None:
        """Make the sandbox and start the process. Raises what ``Sandbox`` raises."""
        self.calls = 0
        self.is_sound = False
        """Whether it has answered all it was asked, as a worker does."""
        self._limit = limit
        self._sandbox = Sandbox(policy, **options).start()
        try:
            self._door = Door(self._sandbox, python, "worker")
        except BaseException:
            self._sandbox.close()
            raise

    def begin(self, initializer: bytes | None, deadline: float | None) -> None:
        """Tell it how to begin, and have it call the pickled initializer. Raises as ``call`` does."""
        told = {"path": python_path.entries(), "main": _main(), "limit": self._limit}
        self._door.send(pickle.dumps({**told, "initializer": initializer}), deadline)
        if initializer is not None:
            with suppress(ResultRefused):  # nobody asks what it returns
                self._answer(deadline)
        self.is_sound = True

    def call(self, task: bytes, deadline: float | None) -> Any:
        """Return what the pickled call returns. Raises RemoteError, ResultRefused, DoorClosed, DoorTimeout."""
        self.calls += 1
        self.is_sound = False
        self._door.send(task, deadline)
        return self._answer(deadline)

    def interrupt(self) -> None:
        """End the sandbox, so that a call that another thread waits for fails with DoorClosed."""
        self._sandbox.close()

    def close(self) -> None:
        """Kill the process and end the sandbox."""
        try:
            self._door.close()
        finally:
            self._sandbox.close()

    def _answer(self, deadline: float | None) -> Any:
        try:
            data = self._door.receive(self._limit + _MARGIN, deadline)
            answer = values.decode(data, self._limit + _MARGIN)
        except (DoorRefused, values.Untrusted) as error:
            raise ResultRefused(f"the result is not taken: {error}") from error
        match answer:
            case ("value", value):
                self.is_sound = True
                return value
            case ("error", str(type_), str(text), str(traceback)):
                self.is_sound = True
                raise RemoteError(printable(type_, 200), printable(text), printable(traceback))
            case ("unfit", str(text)):
                self.is_sound = True
                raise ResultRefused(
                    printable(text, 1000),
                    hint="return None, bool, int, float, complex, str, bytes, or lists, tuples, dicts and sets of them",
                )
        raise ResultRefused("the result is not what a worker sends")


def _main() -> dict[str, str] | None:
    """Return what the worker needs to run this process's ``__main__``, where that is a file of Python."""
    module = sys.modules.get("__main__")
    file = getattr(module, "__file__", None)
    if file is None:
        return None
    try:
        with open(file, encoding="utf-8") as opened:  # PEP 3120: UTF-8 unless it says otherwise
            source = opened.read()
    except (OSError, UnicodeDecodeError):
        return None
    return {"file": file, "source": source, "package": getattr(module, "__package__", None) or ""}
