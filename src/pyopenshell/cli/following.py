"""A program far away, with this process's streams: what it writes, what is typed, how it ended."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from pyopenshell.cli import remote, terminal
from pyopenshell.kernel import signals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from pyopenshell.cli.remote import Remote
    from pyopenshell.cli.terminal import Keys

TIMED_OUT = 124


def follow(
    there: Remote,
    keys: Keys,
    call: Any,
    take: Callable[[Any], int | None],
    *,
    raw: bool,
    resized: Callable[[], None],
) -> int | None:
    """Read a call's answers until ``take`` says how the program ended: its exit code; None where the call just ends.

    With ``raw`` the terminal is the program's until then. However this is left, the call is over and the terminal as it
    was. Raises OpenShellError, and ``Stopped`` for a signal that is to end this process.
    """
    try:
        if not raw:
            return _read(there, call, take)
        with terminal.Raw(resized):
            return _read(there, call, take)
    finally:
        keys.stop()
        call.cancel()


def _read(there: Remote, call: Any, take: Callable[[Any], int | None]) -> int | None:
    code: int | None = None
    try:
        for answer in call:  # to the end, also behind the exit code: what ends the call says more
            told = take(answer)
            code = told if code is None else code
    except there.failure as error:
        raise there.error(error) from error
    return code


def keyboard(*, wanted: bool, detaching: bool = False) -> Keys:
    """Return what this process is told by standard input; nothing where it is closed or not ``wanted``."""
    return terminal.Keys(0 if wanted and _is_open(0) else None, detaching=detaching)


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def ended(program: str, code: int, number: int, *, timed_out: bool) -> int:
    """Say in words what a number alone does not, and return the exit code."""
    if timed_out:
        remote.note(f"{program} took longer than it was given, and was ended")
        return TIMED_OUT
    if number and number not in (signal.SIGINT, signal.SIGPIPE):
        remote.note(f"{program} was ended by {signals.name(number)}")
    return code


def passing(keys: Keys, make: Callable[[Any], Any]) -> Iterator[Any]:
    """Yield requests for what is typed and told; what is told is one already."""
    for item in keys:
        yield make(item) if isinstance(item, bytes) else item
