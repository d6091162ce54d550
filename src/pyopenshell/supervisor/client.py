"""The gateway's side: supervisors are launched, found again, and spoken to. For one event loop."""

from __future__ import annotations

import asyncio
import marshal
import os
import socket
import threading
from typing import TYPE_CHECKING

from pyopenshell.errors import OpenShellError, SandboxGone
from pyopenshell.launch import wire
from pyopenshell.policy import making
from pyopenshell.record import Record
from pyopenshell.supervisor import protocol
from pyopenshell.supervisor.connection import Connection
from pyopenshell.supervisor.reach import PATIENCE, answer, gone, reach, within
from pyopenshell.supervisor.session import Program
from pyopenshell.supervisor.supervised import Supervised
from pyopenshell.zygote import rights, started

if TYPE_CHECKING:
    from typing import Any

    from pyopenshell.planning import RunRequest
    from pyopenshell.policy.model import Policy

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "__main__.py")
ENDING = 1.0
"""Seconds for a process that closed its connections to be gone."""


class Wanted(Record):
    """A sandbox that is to stay.

    ``environ`` is what its environment is made from. ``held``: the main process waits for somebody to attach, for at
    most a minute. ``restart`` is ``never``, ``on_failure`` or ``always``. ``meta`` goes into the run's record.
    """

    request: RunRequest
    policy: Policy
    main: Program | None
    environ: dict[str, str]
    meta: dict[str, Any]
    held: bool = False
    restart: str = "never"


class TemplateEnded(SandboxGone):
    """What starts supervisors ended while it was starting one: that may be tried again."""

    code = "template"


class Supervisors:
    """Starts supervisors, by way of a template that is this process's own."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self._template: started.Zygote | None = None
        self._lock = threading.Lock()

    async def launch(self, wanted: Wanted) -> Supervised:
        """Have a sandbox made. Returns when it holds, its main process told to start.

        Raises what ``planning.plan`` and a launch raise, ZygoteError, and TemplateEnded.
        """
        template, own = await asyncio.to_thread(self._connect, _first(wanted))
        connection = Connection(own)
        try:
            frame = await connection.receive()
            if frame is None and await asyncio.to_thread(template.has_ended, ENDING):
                raise TemplateEnded(f"the process that starts sandboxes {template.how()}", hint="try again")
            told = answer(frame, protocol.STATE)
        except BaseException:
            connection.close()
            raise
        return Supervised(connection, told)

    async def find(self, record: str, patience: float = PATIENCE) -> Supervised:
        """Return the supervisor of a run that is alive, by its record's folder. Raises SandboxGone.

        ``patience`` is seconds for it to answer.
        """
        connection = await reach(record)
        try:
            await connection.send(protocol.WATCH)
            told = answer(await within(patience, record, connection.receive()), protocol.STATE)
        except OSError as error:
            connection.close()
            raise gone(record) from error
        except BaseException:
            connection.close()
            raise
        return Supervised(connection, told)

    def _connect(self, first: bytes) -> tuple[started.Zygote, socket.socket]:
        """Return a template, and a new connection on which ``first`` is sent. One that has ended is replaced."""
        with self._lock:
            for _ in range(2):
                if self._template and self._template.has_ended():
                    self._template.end()
                    self._template = None
                if self._template is None:
                    self._template = started.start(rights.identity(), SCRIPT)
                try:
                    user = _Nobody()
                    connection, sent = self._template.connect(user, first)
                    self._template.users.discard(user)
                    break
                except (BrokenPipeError, ConnectionResetError):
                    self._template.end()
                    self._template = None
            else:
                raise OpenShellError("the process that starts supervisors cannot be started", code="template")
        connection.sendall(first[sent:])
        return self._template, socket.socket(fileno=connection.detach())

    def close(self) -> None:
        """End the template. Supervisors stay."""
        with self._lock:
            if self._template:
                self._template.end()
                self._template = None


class _Nobody:
    """A user of the template's door, of whom nothing is remembered."""

    def forget(self) -> None:
        """Nothing to close."""

    def descriptors(self) -> tuple[int, ...]:
        """No descriptors."""
        return ()


def _first(wanted: Wanted) -> bytes:
    policy = wanted.policy
    asked = {
        "request": {**{name: getattr(wanted.request, name) for name in wanted.request._fields}, "policy": None},
        "policy": (policy.source.file, policy.source.text, making.tree(policy)),
        "environ": wanted.environ,
        "cwd": "/",
        "main": wanted.main.as_plain() if wanted.main else None,
        "held": wanted.held,
        "restart": wanted.restart,
        "meta": wanted.meta,
    }
    payload = marshal.dumps(asked)
    return wire.head(protocol.LAUNCH, len(payload)) + payload
