"""One program of a sandbox as its supervisor keeps it: streams, what it wrote last, its end."""

from __future__ import annotations

import fcntl
import marshal
import os
import struct
import termios

from pyopenshell.audit import context
from pyopenshell.launch import wire
from pyopenshell.supervisor import protocol
from pyopenshell.supervisor.replay import MOST, Replay
from pyopenshell.zygote import failure
from pyopenshell.zygote.command import not_begun

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyopenshell.audit.context import Process
    from pyopenshell.supervisor.keeper import Keeper
    from pyopenshell.supervisor.visitor import Visitor

PIECE = 1 << 17
"""Bytes that are read at once."""
ROOM = 1 << 18
"""Bytes that a pipe of a program's output has room for."""
_END_OF_FILE = b"\4"
"""What a terminal in its usual mode takes for the end of input (termios(3), VEOF)."""


class Program:
    """A program from the wish for it to its end, and a while after that for those who want to know how it ended."""

    def __init__(self, keeper: Keeper, number: int, asked: dict[str, Any], replay: Replay | None = None) -> None:
        """Have init start it. Raises OSError where there are no descriptors left."""
        self.number = number
        self.asked = asked
        self.state = "starting"
        self.pid = 0
        self.code: int | None = None
        self.signal: int | None = None
        self.timed_out = False
        self.started = 0
        self.visitors: list[Visitor] = []
        self.replay = replay or Replay()
        self._keeper = keeper
        self._process: Process | None = None
        self._streams: dict[int, bytes] = {}
        self._paused = False
        self._stdin = -1
        self._input = bytearray()
        self._no_more = False
        self._is_ending = False
        self._start()

    @property
    def is_over(self) -> bool:
        """Whether it has ended, or could not be started."""
        return self.state in ("ended", "failed")

    def _start(self) -> None:
        told = {key: self.asked[key] for key in ("argv", "env", "cwd", "terminal")} | {"number": self.number}
        if self.asked["terminal"]:
            self._keeper.tell(wire.SPAWN, marshal.dumps(told))
            return
        ends: list[int] = []
        try:
            if self.asked["stdin"]:
                read, self._stdin = os.pipe2(os.O_CLOEXEC)
                os.set_blocking(self._stdin, False)
                ends.append(read)
            else:
                ends.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
            for kind in (protocol.OUTPUT, protocol.ERRORS):
                read, write = os.pipe2(os.O_CLOEXEC)
                os.set_blocking(read, False)
                _widen(read)
                self._streams[read] = kind
                ends.append(write)
            self._keeper.tell(wire.SPAWN, marshal.dumps(told), ends)
        except BaseException:  # also where the sandbox has just ended
            self._close_streams()
            raise
        finally:
            for fd in ends:
                os.close(fd)

    # What init tells.

    def begun(self, pid: int, terminal: int) -> None:
        """Take its pid; a negative number is the errno of starting it. ``terminal`` is the caller's to close."""
        if pid < 0:
            self.state = "failed"
            error = not_begun(self.asked["argv"][0], self.asked["cwd"], -pid)
            self._keeper.story.not_begun(self.asked, error.message)
            self.code = error.exit_code
            for visitor in tuple(self.visitors):
                visitor.fail(failure.pack(error))
            self._close_streams()
            return
        self.state, self.pid, self.started = "running", pid, context.now()
        self._process = self._keeper.story.begun(self.asked, pid)
        if terminal >= 0:
            self._stdin = fcntl.fcntl(terminal, fcntl.F_DUPFD_CLOEXEC, 3)
            os.set_blocking(self._stdin, False)
            self._streams[self._stdin] = protocol.OUTPUT
        for fd, kind in self._streams.items():
            self._watch(fd, kind)
        if self.asked["timeout"]:
            self._keeper.loop.later(self.asked["timeout"], self._expire)
        for visitor in self.visitors:
            visitor.begin(self)
        self._write()

    def exited(self, status: int) -> None:
        """Take its wait status. What it has written is read first."""
        code = os.waitstatus_to_exitcode(status)
        self.code, self.signal = (code, None) if code >= 0 else (128 - code, -code)
        if self._process:
            self._keeper.story.over(self._process, self.code, self.signal)
        if not self._is_ending:
            self._finish()

    def cleared(self) -> None:
        """Note that nothing is left of what was to be ended."""
        if self.code is not None:
            self._finish()

    def lost(self) -> None:
        """Note that its sandbox has ended, and it with it."""
        self._close_streams()

    def _finish(self) -> None:
        if self.is_over:
            return
        for fd in tuple(self._streams):
            self._drain(fd)
        self.state = "ended"
        if self.timed_out:
            self.code, self.signal = protocol.TIMED_OUT, None
        for visitor in tuple(self.visitors):
            visitor.end(self)
        self._keeper.over(self)

    # Its streams.

    def _watch(self, fd: int, kind: bytes) -> None:
        self._keeper.loop.watch(fd, lambda: self._read(fd, kind))

    def _read(self, fd: int, kind: bytes) -> None:
        if fd == self._stdin and self._input:
            self._write()
            if fd not in self._streams:
                return
        try:
            data = os.read(fd, PIECE)
        except BlockingIOError:
            return
        except OSError:  # EIO of a terminal that nobody holds any more
            data = b""
        if not data:
            self._drop(fd)
            return
        if self.is_over:
            return  # of what it left running; nobody follows that
        self.replay.add(kind, data)
        for visitor in tuple(self.visitors):
            visitor.output(kind, data)
        self.settle()

    def _drain(self, fd: int) -> None:
        """Read what is there by now, but no more than that of somebody who goes on writing."""
        for _ in range(MOST // PIECE):
            before = self.replay.total
            if fd in self._streams:
                self._read(fd, self._streams[fd])
            if self.replay.total == before:
                return

    def settle(self) -> None:
        """Go on reading, or not: who reads slowly slows the program down, so that memory stays bounded."""
        full = any(visitor.holds_up for visitor in self.visitors)
        if full == self._paused or self.state == "starting":
            return
        self._paused = full
        for fd, kind in self._streams.items():
            if full:
                self._keeper.loop.forget(fd)
            else:
                self._watch(fd, kind)

    def _drop(self, fd: int) -> None:
        del self._streams[fd]
        self._keeper.loop.forget(fd)
        os.close(fd)
        if fd == self._stdin:
            self._stdin = -1

    def _close_streams(self) -> None:
        self._close_stdin()
        for fd in tuple(self._streams):
            self._drop(fd)

    # What a visitor asks for.

    def input(self, data: bytes) -> None:
        """Give it this to read; nothing: there is no more."""
        if not data:
            self._no_more = True
            if self.asked["terminal"]:
                self._input += _END_OF_FILE
        else:
            self._input += data
        self._write()

    @property
    def is_stuffed(self) -> bool:
        """Whether it has not read yet what it was given."""
        return len(self._input) > PIECE

    def _write(self) -> None:
        if self._stdin < 0 or self.state == "starting":
            if self._stdin < 0 and self.state != "starting":
                self._input.clear()
            return
        try:
            while self._input:
                del self._input[: os.write(self._stdin, self._input[:PIECE])]
        except BlockingIOError:
            pass
        except OSError:  # it has closed its end
            self._input.clear()
            self._no_more = True
        self._await_room()
        for visitor in self.visitors:
            visitor.settle()

    def _await_room(self) -> None:
        loop, is_terminal = self._keeper.loop, self._stdin in self._streams
        if is_terminal:
            if not self._paused:
                loop.want_room(self._stdin, wanted=bool(self._input))
        elif not self._input:
            loop.forget(self._stdin)
            if self._no_more:
                self._close_stdin()
        elif not loop.watches(self._stdin):
            loop.watch(self._stdin, self._write)
            loop.want_room(self._stdin, wanted=True, reading=False)

    def _close_stdin(self) -> None:
        if self._stdin >= 0 and self._stdin not in self._streams:
            self._keeper.loop.forget(self._stdin)
            os.close(self._stdin)
            self._stdin = -1

    def resize(self, rows: int, columns: int) -> None:
        """Give its terminal another size."""
        if self._stdin >= 0 and self.asked["terminal"]:
            fcntl.ioctl(self._stdin, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))

    def cancel(self) -> None:
        """Kill it, and all that it started."""
        if not self.is_over and not self._is_ending:
            self._is_ending = True
            self._keeper.tell(wire.END, self.number.to_bytes(4, "little"))

    def _expire(self) -> None:
        if self.state == "running" and not self._is_ending:
            self.timed_out = True
            self.cancel()

    def told(self) -> dict[str, Any]:
        """Return what a list of sessions says of it."""
        names = ("number", "pid", "code", "signal", "timed_out", "started", "state")
        return {name: getattr(self, name) for name in names} | {
            "argv": list(self.asked["argv"]),
            "terminal": bool(self.asked["terminal"]),
            "attached": len(self.visitors),
        }


def _widen(pipe: int) -> None:
    """Let a program write on while others work, as far as its user may have such pipes (pipe(7))."""
    try:
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, ROOM)
    except OSError:  # then it has what all have
        pass
