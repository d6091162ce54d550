"""What passes between us and one command until it ends: input to it, output from it. Nothing here waits.

Whoever waits asks for the ``interest``, waits for one of those descriptors in a way of its own, and reports ``ready``.
"""

from __future__ import annotations

import os
import select

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyopenshell.sandbox.command import Command

SIZE = 1 << 16
"""Bytes read at once: what a pipe holds (pipe(7))."""
ROUNDS = 64
"""Reads for what is left in a pipe or terminal when its command has ended. Something in the background may go on
writing; what a pipe can hold by then (1 MiB at most, without privilege) is read."""
_EOF = b"\x04"
"""What a terminal takes for the end of a line, and at the beginning of one for the end of all (termios(3), VEOF)."""


class Exchange:
    """Feeds a command and takes what it writes, until it has ended and all that it wrote is there."""

    def __init__(self, command: Command, data: bytes | None) -> None:
        """Feed it ``data``."""
        self.command = command
        self.chunks: list[tuple[int, bytes]] = []
        """What came: the stream (1 or 2) and what was in it."""
        self.over = False
        """Whether it has ended, and what it wrote until then is in ``chunks``."""
        self._left = memoryview(_typed(data) if command.asked["terminal"] else data or b"")
        self._ends = False

    def interest(self) -> dict[int, int]:
        """Return the descriptors to wait for, each with what poll(2) is to say of it."""
        command = self.command
        wanted = {command.socket.fileno(): select.POLLIN}
        if command.streams[0] >= 0:
            wanted[command.streams[0]] = select.POLLOUT
        for fd in (*command.streams[1:], command.master):
            if fd >= 0 and not (fd == command.master and self._ends):
                wanted[fd] = select.POLLIN
        if command.master >= 0 and self._left:
            wanted[command.master] = wanted.get(command.master, 0) | select.POLLOUT
        return wanted

    def ready(self, fd: int, events: int) -> None:
        """Read from, or write to, a descriptor of which this was said."""
        if self.over:  # its streams are closed, and their numbers may be others'
            return
        command = self.command
        if fd == command.socket.fileno():
            command.take()
            if command.over:
                self._finish()
        elif fd == command.streams[0]:
            self._feed()
        else:
            if events & ~select.POLLOUT:
                self._read(fd)
            if events & select.POLLOUT and fd == command.master:
                self._type()

    def _feed(self) -> None:
        fd = self.command.streams[0]
        os.set_blocking(fd, False)
        try:
            while self._left:
                self._left = self._left[os.write(fd, self._left[:SIZE]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:  # it does not want to read the rest
            pass
        self._left = memoryview(b"")
        self.command.close_stream(fd)

    def _type(self) -> None:
        os.set_blocking(self.command.master, False)
        try:
            while self._left:
                self._left = self._left[os.write(self.command.master, self._left[:SIZE]) :]
        except BlockingIOError:
            return
        except OSError:  # nobody has it open any more
            self._left = memoryview(b"")

    def _read(self, fd: int) -> bool:
        """Read once from a descriptor that is ready. Returns False at the end, and looks there no more."""
        try:
            data = os.read(fd, SIZE)
        except BlockingIOError:
            return True
        except OSError:  # EIO: nobody has the terminal open any more
            data = b""
        if data:
            self.chunks.append((2 if fd == self.command.streams[2] else 1, data))
            return True
        if fd == self.command.master:
            self._ends = True
        else:
            self.command.close_stream(fd)
        return False

    def _finish(self) -> None:
        """Take what is there, now that the command has ended. What runs on in the background may write later."""
        for fd in (*self.command.streams[1:], -1 if self._ends else self.command.master):
            if fd < 0:
                continue
            poll = select.poll()
            poll.register(fd, select.POLLIN)
            for _ in range(ROUNDS):
                if not poll.poll(0) or not self._read(fd):
                    break
        self.over = True


def _typed(data: bytes | None) -> bytes:
    """Return what is typed on a terminal: without input nothing, else all of it and the key for its end."""
    if data is None:
        return b""
    return data + _EOF if not data or data.endswith(b"\n") else data + _EOF + _EOF
