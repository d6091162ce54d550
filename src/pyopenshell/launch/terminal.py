"""The sandbox's own terminal, and the relay between it and the caller's.

A sandbox never holds the caller's terminal: with it, it could read what is typed after it has ended, or (where the
filter is not in force) type into the caller's shell with TIOCSTI. It gets a pseudo-terminal of its own, from its own
devpts where it has one, and the supervisor copies bytes, size changes and stops both ways.
"""

from __future__ import annotations

import _socket
import errno
import fcntl
import os
import select
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
    wire.send_descriptor(channel, wire.TERMINAL, master)
    channel.close()
    os.close(master)
    os.close(slave)


class Relay:
    """The supervisor's side: the caller's terminal in raw mode, and bytes to and from the sandbox's.

    In a pipeline (``openshell run … | less``) another program shares the caller's terminal. It then stays in its own
    mode: it echoes and makes the signals, lines are passed on, and not a key is read while another program has taken
    it out of line mode.
    """

    def __init__(self, master: int) -> None:
        """Take the master side. The caller's terminal is the first of the standard streams that is one."""
        self.master = master
        os.set_blocking(master, False)
        self.sink = next(fd for fd in (1, 2, 0) if os.isatty(fd))
        self.is_shared = not (os.isatty(0) and os.isatty(1))
        self.source = _input(shared=self.is_shared) if os.isatty(0) else None
        self.waiting = b""
        self.output = _output(self.sink)
        self.unprinted = b""
        self.closed = False
        self._saved: list[Any] | None = None
        self._copy_modes()
        self.resize()

    @property
    def is_foreground(self) -> bool:
        """Whether the terminal is ours to read and to change: a background job that tries is stopped."""
        try:
            return os.tcgetpgrp(self.sink) == os.getpgrp()
        except OSError as error:
            return error.errno == errno.ENOTTY  # a terminal of another session knows no background

    @property
    def wants_input(self) -> bool:
        """Whether to read what is typed. What waits to be taken comes first."""
        return self.source is not None and not self.waiting and self.is_foreground and self._may_read()

    def enter(self) -> None:
        """Hand every key to the sandbox's terminal: it echoes, and its line discipline makes the signals.

        Again after a stop: the shell may have changed the modes in between.
        """
        if self.source is None or self.is_shared or not self.is_foreground:
            return
        if self._saved is None:
            self._saved = termios.tcgetattr(self.source)
        mode = termios.tcgetattr(self.source)
        mode[0] &= ~(termios.BRKINT | termios.ICRNL | termios.INPCK | termios.ISTRIP | termios.IXON)
        mode[1] &= ~termios.OPOST
        mode[2] = (mode[2] & ~(termios.CSIZE | termios.PARENB)) | termios.CS8
        mode[3] &= ~(termios.ECHO | termios.ICANON | termios.IEXTEN | termios.ISIG)
        mode[6][termios.VMIN], mode[6][termios.VTIME] = 1, 0
        termios.tcsetattr(self.source, termios.TCSANOW, mode)

    def leave(self) -> None:
        """Give the caller's terminal back as it was, unless it is somebody else's by now."""
        if self._saved is not None and self.source is not None and self.is_foreground:
            termios.tcsetattr(self.source, termios.TCSANOW, self._saved)
        self._saved = None

    def resize(self) -> None:
        """Give the sandbox's terminal the size of the caller's."""
        try:
            size = fcntl.ioctl(self.sink, termios.TIOCGWINSZ, b"\0" * 8)
            fcntl.ioctl(self.master, termios.TIOCSWINSZ, size)
        except OSError:
            pass

    def from_caller(self) -> None:
        """Read what was typed; ``flush`` passes it on."""
        if self.source is None or not self._may_read():
            return
        try:
            data = os.read(self.source, 4096)
        except BlockingIOError:  # another program was faster
            return
        except OSError:
            data = b""
        if self.is_shared and not data.endswith(b"\n") and os.isatty(self.source):
            data += termios.tcgetattr(self.master)[6][termios.VEOF]  # in line mode only Ctrl-D ends without a newline
        if not data:
            self.source = None
        self.waiting += data

    def flush(self) -> None:
        """Pass on as much of what was typed as the sandbox's terminal takes now."""
        try:
            while self.waiting:
                self.waiting = self.waiting[os.write(self.master, self.waiting) :]
        except BlockingIOError:
            pass
        except OSError:
            self.waiting = b""

    def from_sandbox(self) -> bool:
        """Take over what was printed. Returns whether there was something; ``closed`` is set at the end (EIO)."""
        try:
            data = os.read(self.master, 65536)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        self.unprinted += data
        self.print()
        self.closed = not data
        return bool(data)

    def print(self) -> None:
        """Print as much as the caller's terminal takes now: it may have been stopped (Ctrl-S), or not be read."""
        try:
            while self.unprinted:
                self.unprinted = self.unprinted[os.write(self.output, self.unprinted) :]
        except BlockingIOError:
            pass
        except OSError:
            self.unprinted = b""

    def finish(self, signals: int, *, patient: bool) -> None:
        """Print the rest; unless ``patient`` only as much as is taken now. A signal on the descriptor ends it too."""
        while self.unprinted or self.from_sandbox():
            if self.unprinted and not patient:
                return
            if self.unprinted and signals in select.select([signals], [self.output], [])[0]:
                return
            self.print()

    def close(self) -> None:
        """Close what was opened here."""
        os.close(self.master)
        if self.output != self.sink:
            os.close(self.output)

    def _may_read(self) -> bool:
        if not self.is_shared:
            return True
        try:
            return bool(termios.tcgetattr(self.sink)[3] & termios.ICANON)
        except termios.error:
            return False

    def _copy_modes(self) -> None:
        """Let the sandbox's terminal begin as the caller's is: erase key, UTF-8 and the like.

        Not from the background, where a shell that edits its next line has set modes of its own. What a shared
        terminal does itself (echo, line ends) must not be done twice.
        """
        try:
            mode = termios.tcgetattr(self.sink if self.is_foreground else self.master)
            if self.is_shared:
                mode[1] &= ~termios.OPOST
                mode[3] &= ~termios.ECHO
            termios.tcsetattr(self.master, termios.TCSANOW, mode)
        except termios.error:
            pass


def _input(*, shared: bool) -> int:
    """Return what to read the caller's terminal from: where others read it too, a read that finds nothing must end."""
    if shared:
        try:
            os.tcgetpgrp(0)  # is it the one that /dev/tty means?
            return os.open("/dev/tty", os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        except OSError:
            pass
    return 0


def _output(sink: int) -> int:
    """Return what to print to: the terminal opened once more, so that a write can be made not to wait for ever.

    The descriptor we were given is shared with the caller, who would not expect it to be non-blocking.
    """
    try:
        return os.open(os.ttyname(sink), os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return sink
