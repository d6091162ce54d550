"""The sandbox's own terminal, and the relay between it and the caller's.

A sandbox never holds the caller's terminal: with it, it could read what is typed after it has ended, or (where the
filter is not in force) type into the caller's shell with TIOCSTI. It gets a pseudo-terminal of its own, from its own
devpts where it has one, and the supervisor copies bytes, size changes and stops both ways.
"""

from __future__ import annotations

import _socket
import fcntl
import os
import termios

from pyopenshell.launch import wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def wanted() -> bool:
    """Whether the caller's standard input, output or error is a terminal."""
    return any(os.isatty(fd) for fd in (0, 1, 2) if _is_open(fd))


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def open_inside(control: int, uid: int, gid: int) -> None:
    """Open a terminal, make it the session's own and put it where the caller's was; hand its master to the supervisor.

    Runs in init, a session leader, before privileges are dropped.
    """
    master, slave = os.openpty()
    name = os.ttyname(slave)
    if os.geteuid() != uid:
        os.chown(name, uid, gid)
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for fd in (0, 1, 2):
        if os.isatty(fd):
            os.dup2(slave, fd)
    channel = _socket.socket(fileno=os.dup(control))
    head = wire.TERMINAL + (0).to_bytes(4, "little")
    channel.sendmsg([head], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, master.to_bytes(4, "little"))])
    channel.close()
    os.close(master)
    os.close(slave)


class Relay:
    """The supervisor's side: the caller's terminal in raw mode, and bytes to and from the sandbox's."""

    def __init__(self, master: int) -> None:
        """Take the master side. The caller's terminal is the first of the standard streams that is one."""
        self.master = master
        self.source = 0 if os.isatty(0) else None
        self.sink = next(fd for fd in (1, 2, 0) if os.isatty(fd))
        self.closed = False
        self._saved: list[Any] | None = None
        self.resize()

    @property
    def is_foreground(self) -> bool:
        """Whether the terminal is ours to read and to change: a background job that tries is stopped."""
        try:
            return os.tcgetpgrp(self.sink) == os.getpgrp()
        except OSError:
            return False

    def enter(self) -> None:
        """Hand every key to the sandbox's terminal: it echoes, and its line discipline makes the signals.

        Only where the output is a terminal too: in a pipeline another program may share this one.
        """
        if self.source is None or self._saved is not None or not os.isatty(1) or not self.is_foreground:
            return
        self._saved = termios.tcgetattr(self.source)
        mode = termios.tcgetattr(self.source)
        mode[0] &= ~(termios.BRKINT | termios.ICRNL | termios.INPCK | termios.ISTRIP | termios.IXON)
        mode[1] &= ~termios.OPOST
        mode[2] = (mode[2] & ~(termios.CSIZE | termios.PARENB)) | termios.CS8
        mode[3] &= ~(termios.ECHO | termios.ICANON | termios.IEXTEN | termios.ISIG)
        mode[6][termios.VMIN], mode[6][termios.VTIME] = 1, 0
        termios.tcsetattr(self.source, termios.TCSADRAIN, mode)

    def leave(self) -> None:
        """Give the caller's terminal back as it was."""
        if self._saved is not None and self.source is not None:
            termios.tcsetattr(self.source, termios.TCSADRAIN, self._saved)
            self._saved = None

    def resize(self) -> None:
        """Give the sandbox's terminal the size of the caller's."""
        try:
            size = fcntl.ioctl(self.sink, termios.TIOCGWINSZ, b"\0" * 8)
            fcntl.ioctl(self.master, termios.TIOCSWINSZ, size)
        except OSError:
            pass

    def from_caller(self) -> bool:
        """Copy what was typed. Returns False at the end of input."""
        try:
            data = os.read(0, 4096)
        except OSError:
            return False
        if not data:
            return False
        _write_all(self.master, data)
        return True

    def from_sandbox(self) -> bool:
        """Copy what was printed. Returns False when the sandbox has closed its terminal (EIO)."""
        try:
            data = os.read(self.master, 65536)
        except OSError:
            data = b""
        if data:
            _write_all(self.sink, data)
        self.closed = not data
        return bool(data)


def _write_all(fd: int, data: bytes) -> None:
    while data:
        try:
            data = data[os.write(fd, data) :]
        except OSError:
            return
