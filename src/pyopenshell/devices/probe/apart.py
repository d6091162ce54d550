"""Something that may crash, hang or abort, in a child with a time limit: whatever happens there is a result here."""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import time
from typing import TYPE_CHECKING, Any

from pyopenshell.kernel import signals
from pyopenshell.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable

    Tell = Callable[[dict[str, Any]], None]
    Action = Callable[[Tell], object]

LAST_WORDS = 5.0
"""Seconds that a killed child gets to end. One that is stuck in a driver cannot."""
MOST = 1 << 20
"""Bytes of a child's words that are kept."""


class Ended(Record):
    """What a child told, joined into one dict (later words win), how it ended where not with 0, and after how long."""

    told: dict[str, Any]
    death: str
    seconds: float


def run(action: Action, limit: float) -> Ended:
    """Fork a child that does ``action``, and wait for it for at most ``limit`` seconds.

    The action tells what it finds as dicts of JSON values, at once, so that what was told before a death is known.
    Whatever it prints on standard output comes out on standard error.
    """
    return _follow(lambda writer: _act(action, writer), limit)


def execute(command: list[str], limit: float) -> Ended:
    """Do the same with a program, which tells in lines of JSON on its standard output; its other lines are dropped."""
    return _follow(lambda writer: _execute(command, writer), limit)


def _follow(child: Callable[[int], None], limit: float) -> Ended:
    reader, writer = os.pipe()
    begin = time.monotonic()
    pid = os.fork()
    if pid == 0:
        _become(child, writer)
    _own_group(pid)
    os.close(writer)
    pidfd = os.pidfd_open(pid)
    try:
        text, late = _read(reader, pidfd, begin + limit)
    finally:
        code = _end(pid, pidfd)
        os.close(pidfd)
        os.close(reader)
    seconds = time.monotonic() - begin
    if code is None:
        death = f"did not end within {limit:g} seconds, and cannot be killed: it hangs in the kernel"
    elif late:
        death = f"did not end within {limit:g} seconds"
    else:
        death = f"died of {signals.name(-code)}" if code < 0 else f"ended with exit code {code}" if code else ""
    return Ended(_joined(text), death, seconds)


def _become(child: Callable[[int], None], writer: int) -> None:
    """Do the child's part and end: no input, and no file that holds its memory if it dies."""
    try:
        _own_group(0)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        child(writer)
        os._exit(0)
    finally:
        os._exit(1)


def _own_group(pid: int) -> None:
    """Make a process the leader of a group of its own: parent and child both do, as either may be first."""
    try:
        os.setpgid(pid, pid)
    except OSError:  # the child has done it, and is another program or gone by now
        pass


def _act(action: Action, writer: int) -> None:
    os.dup2(2, 1)

    def tell(words: dict[str, Any]) -> None:
        os.write(writer, json.dumps(words).encode() + b"\n")

    try:
        action(tell)
    except OSError as error:
        tell({"problem": f"{error.strerror or error}" + (f" ({error.filename})" if error.filename else "")})
    except Exception as error:
        tell({"problem": f"{type(error).__name__}: {error}"})


def _execute(command: list[str], writer: int) -> None:
    os.dup2(writer, 1)
    try:
        os.execvp(command[0], command)  # noqa: S606 - a program that the caller named, or that is on their PATH
    except OSError as error:
        words = {"problem": f"cannot execute {command[0]}: {error.strerror}"}
        os.write(1, json.dumps(words).encode() + b"\n")


def _read(reader: int, pidfd: int, deadline: float) -> tuple[bytes, bool]:
    """Return what is said until the child ends, and whether it had to be left at the deadline.

    Its end is told by the pidfd: a grandchild that lives on may hold the pipe open.
    """
    text = b""
    os.set_blocking(reader, False)
    watched = [reader, pidfd]
    while (left := deadline - time.monotonic()) > 0:
        ready = select.select(watched, [], [], left)[0]
        if reader in ready:
            piece = _piece(reader)
            text = (text + piece)[:MOST]
            if not piece:
                watched.remove(reader)
        elif pidfd in ready:
            return text, False
    return text, True


def _piece(reader: int) -> bytes:
    try:
        return os.read(reader, 1 << 16)
    except BlockingIOError:
        return b""


def _end(pid: int, pidfd: int) -> int | None:
    """Kill what is left of the child's group and return its exit code, None where it cannot be killed.

    The child is reaped last: until then its number cannot become another process's.
    """
    try:
        os.killpg(pid, signal.SIGKILL)
    except OSError:  # nothing is left but the dead leader
        pass
    if not select.select([pidfd], [], [], LAST_WORDS)[0]:
        return None
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _joined(text: bytes) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for line in text.splitlines():
        try:
            words = json.loads(line)
        except ValueError:
            continue
        if isinstance(words, dict):
            told.update(words)
    return told
