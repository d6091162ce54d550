"""Who speaks to a supervisor: one connection, on which one thing is asked for (``protocol``)."""

from __future__ import annotations

import _socket
import marshal
import os
import time
from _operator import _compare_digest  # what hmac.compare_digest is: hmac brings OpenSSL along

from pyopenshell.errors import OpenShellError, SandboxGone, UsageError
from pyopenshell.launch import frames, wire
from pyopenshell.supervisor import protocol
from pyopenshell.zygote import failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyopenshell.supervisor.keeper import Keeper
    from pyopenshell.supervisor.program import Program

FULL = 1 << 18
"""Bytes that wait for a visitor, with which it is full."""
PATIENCE = 10.0
"""Seconds without progress after which somebody who only looks on holds the program up no longer."""
_FIRST = wire.HEAD + protocol.KEY_SIZE
"""Bytes of what somebody says first."""
_MOST_SIGNAL = 64


class Visitor:
    """One connection. Whoever closes it has gone; a program goes on without."""

    def __init__(self, keeper: Keeper, connection: _socket.socket, *, is_known: bool = False) -> None:
        """Listen to it. ``is_known``: it has asked for this sandbox, and need not say that it may."""
        self.is_full = False
        self.watches = is_known
        self._keeper = keeper
        self._connection = connection
        self._reader = frames.Reader(connection)
        self._outbox = frames.Outbox(connection)
        self._is_known = is_known
        self._program: Program | None = None
        self._is_onlooker = False
        self._skipped = 0
        self._progress = 0.0
        self._reading = True
        self._is_timed = False
        keeper.loop.watch(connection.fileno(), self._heard)

    @property
    def holds_up(self) -> bool:
        """Whether it is full, and waited for: one who only looks on is not, if nothing has got through for long."""
        return self.is_full and not (self._is_onlooker and time.monotonic() - self._progress > PATIENCE)

    # What it is told.

    def send(self, kind: bytes, value: Any = None) -> None:
        """Tell it something."""
        self._put(kind, b"" if value is None else marshal.dumps(value))

    def fail(self, told: dict[str, Any]) -> None:
        """Tell it that there is no program, and go."""
        self.send(protocol.FAILED, told)
        self.leave()

    def begin(self, program: Program) -> None:
        """Tell it that the program runs."""
        told = {"number": program.number, "pid": program.pid, "terminal": bool(program.asked["terminal"])}
        self.send(protocol.BEGUN, told | {"argv": list(program.asked["argv"])})

    def output(self, kind: bytes, data: bytes) -> None:
        """Hand on what the program wrote, unless it has long taken nothing."""
        if self.is_full and not self.holds_up:
            self._skipped += len(data)
            return
        if self._skipped and not self.is_full:
            self._tell_skipped()
        self._put(kind, data)

    def end(self, program: Program) -> None:
        """Tell it how the program ended."""
        self._tell_skipped()
        self.send(protocol.ENDED, {"code": program.code, "signal": program.signal, "timed_out": program.timed_out})
        self.part()

    def give(self, fd: int) -> None:
        """Give it a descriptor, which is closed here."""
        self._outbox.send(protocol.GIVEN, b"", [fd])
        os.close(fd)
        self.settle()

    def _tell_skipped(self) -> None:
        if self._skipped:
            self._put(protocol.SKIPPED, marshal.dumps(self._skipped))
            self._skipped = 0

    def _put(self, kind: bytes, payload: bytes) -> None:
        if self._connection.fileno() >= 0:
            waited = self._outbox.waits
            self._outbox.send(kind, payload)
            if not self._outbox.waits or not waited:
                self._progress = time.monotonic()
            self.settle()

    def settle(self) -> None:
        """Wait for what there is to be waited for: room for what it is told, something of it that is of use."""
        if self._connection.fileno() < 0:
            return
        size = self._outbox.size
        self.is_full = size > (FULL // 2 if self.is_full else FULL)
        self._reading = not (self._program and self._program.is_stuffed)
        self._keeper.loop.want_room(self._connection.fileno(), wanted=size > 0, reading=self._reading)
        if self.is_full and self._is_onlooker and not self._is_timed:
            self._is_timed = True
            self._keeper.loop.later(PATIENCE + 1, self._give_up)

    def _give_up(self) -> None:
        """Let the program go on where this one takes nothing."""
        self._is_timed = False
        if self._program:
            self._program.settle()
        if self.holds_up:
            self.settle()

    # What it says.

    def _heard(self) -> None:
        if self._outbox.waits:
            before = self._outbox.size
            self._outbox.flush()
            if self._outbox.size < before:
                self._progress = time.monotonic()
            self.settle()
            if self._program:
                self._program.settle()
        if not self._reading and not self._hung_up():
            return
        for kind, payload, descriptors in self._reader.take(2):
            for fd in descriptors:
                os.close(fd)
            if self._connection.fileno() >= 0:
                self._take(kind, payload)
        if self._reader.ended or (not self._is_known and self._reader.size > _FIRST):
            self.leave()

    def broke(self, _error: Exception) -> None:
        """Let go of one that says what cannot be understood: the sandbox goes on."""
        self.leave()

    def _hung_up(self) -> bool:
        try:
            return not self._connection.recv(1, _socket.MSG_PEEK | _socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def _take(self, kind: bytes, payload: bytes) -> None:
        if not self._is_known:
            if kind != protocol.HELLO or not _compare_digest(payload, self._keeper.key):
                self.leave()
                return
            self._is_known = True
        elif self._program:
            self._of_session(self._program, kind, payload)
        else:
            self._request(kind, payload)

    def _of_session(self, program: Program, kind: bytes, payload: bytes) -> None:
        if kind == protocol.INPUT:
            program.input(payload)
            self.settle()
        elif kind == protocol.RESIZE:
            rows, columns = marshal.loads(payload)  # noqa: S302 - from our gateway
            program.resize(rows, columns)
        elif kind == protocol.SIGNAL:
            number = marshal.loads(payload)  # noqa: S302 - from our gateway
            if 0 < number <= _MOST_SIGNAL:
                self._keeper.signal(program.number, number)
        elif kind == protocol.CANCEL:
            program.cancel()
        elif kind == protocol.TAKEN:
            self._keeper.taken(program)

    def _request(self, kind: bytes, payload: bytes) -> None:
        value: Any = marshal.loads(payload) if payload else None  # noqa: S302 - from our gateway
        try:
            if kind == protocol.START:
                self._follow(self._keeper.start(value), onlooker=False)
            elif kind == protocol.ATTACH:
                self._attach(value)
            elif kind == protocol.WATCH:
                self.watches = True
                self.send(protocol.STATE, self._keeper.state())
            elif kind == protocol.LIST:
                self.send(protocol.LISTED, [program.told() for program in self._keeper.programs.values()])
            elif kind == protocol.REVISE:
                self._keeper.revise(value)
                self.send(protocol.DONE)
            elif kind == protocol.STOP:
                self.watches = True
                self._keeper.close()
            elif kind == protocol.FILES:
                self._keeper.ways_in.files(self)
            elif kind == protocol.CONNECT:
                self._keeper.ways_in.connect(self, value["host"], value["port"])
        except (OpenShellError, OSError) as error:
            self.fail(failure.pack(error))

    def _attach(self, asked: dict[str, Any]) -> None:
        if asked["number"] == protocol.MAIN:
            self._keeper.main.attended()  # it may have waited for this: until now there is no such program
        program = self._keeper.programs.get(asked["number"])
        if program is None:
            raise UsageError(f"sandbox {self._keeper.name} has no session {asked['number']}", code="session.unknown")
        if program.state == "failed":
            raise SandboxGone(f"session {program.number} could not be started", code="session.failed")
        self._follow(program, onlooker=True)
        if program.state == "starting":
            return
        self.begin(program)
        if asked["replay"]:
            if program.replay.dropped:
                self.send(protocol.SKIPPED, program.replay.dropped)
            for kind, data in program.replay.pieces():
                self._put(kind, data)
        if program.is_over:
            self.end(program)

    def _follow(self, program: Program, *, onlooker: bool) -> None:
        self._program = program
        self._is_onlooker = onlooker
        program.visitors.append(self)
        self._keeper.attended(program)

    def part(self) -> None:
        """Follow a program no longer."""
        if self._program and self in self._program.visitors:
            self._program.visitors.remove(self)
            self._program.settle()

    def leave(self) -> None:
        """Close the connection, once what waits is sent or cannot be."""
        if self._connection.fileno() < 0:
            return
        self._outbox.flush()
        self.part()
        self._keeper.loop.forget(self._connection.fileno())
        self._outbox.close()
        self._reader.close()
        self._connection.close()
        self._keeper.visitors.discard(self)


def is_stranger(connection: _socket.socket) -> bool:
    """Whether somebody is not to be heard: another user, or a sandboxed process, as those get no new privileges."""
    pid, uid = wire.peer(connection)
    return uid not in (0, os.geteuid()) or _confined(pid) > _confined(os.getpid())


def _confined(pid: int) -> int:
    """Return 1 for a process that gets no new privileges (proc_pid_status(5)), or that cannot be looked at."""
    try:
        with open(f"/proc/{pid}/status", "rb") as file:
            return next(int(line.split()[1]) for line in file if line.startswith(b"NoNewPrivs"))
    except (OSError, StopIteration):
        return 1
