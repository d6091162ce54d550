"""Standard streams that a caller hands to a command: descriptors as they are, but never a terminal to read from."""

from __future__ import annotations

import fcntl
import io
import os
import stat

from pyopenshell.errors import UsageError
from pyopenshell.zygote import client, own_ends

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyopenshell.sandbox.command import Redirect

_NAMES = ("stdin", "stdout", "stderr")


def given(what: Redirect, number: int) -> int:
    """Return the descriptor that is meant: of a file, a number, or the caller's own for None. Raises UsageError.

    A terminal is refused as standard input: what is typed there would be read by whoever in the sandbox is faster,
    also after the command has ended.
    """
    name = _NAMES[number]
    fd = _descriptor(number if what is None else what, name)
    if not own_ends.is_open(fd):
        raise UsageError(f"{name} is descriptor {fd}, which is not open", hint="use PIPE or DEVNULL")
    if client.is_ours(fd):
        raise UsageError(
            f"{name} is descriptor {fd}, by which this process speaks to its sandboxes", hint="use PIPE or DEVNULL"
        )
    if number == 0 and os.isatty(fd):
        raise UsageError(
            "stdin is a terminal, and a sandbox gets none of the caller's",
            hint="use terminal=True for one of the sandbox's own, PIPE, or input=",
        )
    return fd


def write_only(fd: int) -> int:
    """Return the caller's terminal, opened once more so that nothing can be read from it. Raises UsageError."""
    try:
        return own_ends.placed(os.open(os.ttyname(fd), os.O_WRONLY | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError as error:
        raise UsageError(
            f"the terminal that is descriptor {fd} cannot be opened for writing alone: {error.strerror}",
            hint="capture the output, or send it to a file or a pipe",
        ) from error


def append_only(fd: int) -> int | None:
    """Return the caller's own file, opened once more: nothing of it can be read so, and no flags are shared.

    None for what is no file to which the caller appends itself: two that write to a file, each at its own place, would
    write over each other, so such a file's place has to be shared.
    """
    flags = fcntl.fcntl(fd, fcntl.F_GETFL)
    if not flags & os.O_APPEND or not stat.S_ISREG(os.fstat(fd).st_mode):
        return None
    try:
        return own_ends.placed(os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC))
    except OSError:  # it is not this process's to open any more
        return None


def pipe() -> tuple[int, int]:
    """Return a pipe's ends, for reading and for writing. Raises OSError."""
    ends = list(os.pipe2(os.O_CLOEXEC))
    try:
        for at in (0, 1):
            fd, ends[at] = ends[at], -1
            ends[at] = own_ends.placed(fd)
    except BaseException:
        for fd in ends:
            if fd >= 0:
                os.close(fd)
        raise
    return ends[0], ends[1]


def _descriptor(what: object, name: str) -> int:
    if isinstance(what, int) and what >= 0:
        return what
    try:
        fileno = what.fileno  # type: ignore[attr-defined]
        return int(fileno())
    except (AttributeError, io.UnsupportedOperation) as error:
        raise UsageError(
            f"{name} cannot be {what!r}", hint="it is PIPE, DEVNULL, a descriptor, or a file that has one"
        ) from error
