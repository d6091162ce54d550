"""``openshell sandbox connect``: this process's streams become those of a program that runs already."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

from pyopenshell.cli import following, remote, terminal
from pyopenshell.cli.records import LOGIN_SHELL
from pyopenshell.cli.sandbox_exec import STOPPED, run
from pyopenshell.errors import OpenShellError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator
    from types import FrameType
    from typing import Any

    from pyopenshell.cli.remote import Remote

DETACHED = 0
"""The exit code of who left a program running."""


def connect(arguments: argparse.Namespace) -> int:
    """Attach to the main process. Where it has ended: on a terminal a login shell, else its output and exit code."""
    name = remote.sandbox(arguments.name)
    with remote.required(arguments) as there:
        if arguments.editor:
            from pyopenshell.cli import editor

            return editor.open_sandbox(there, arguments.editor, name)
        sessions = there.report("ListSessions", name).sessions
        remote.remember(name)
        main = next((one for one in sessions if one.number == 0), None)
        if main is not None and (main.running or not terminal.is_terminal()):
            return attach(there, name, main.terminal, forwarding=False)
        if main is not None:
            remote.note(f"the main process of {name} has ended (exit code {main.exit_code}): this is a new shell")
        return run(there, name, LOGIN_SHELL, tty=terminal.is_terminal())


def attach(there: Remote, name: str, tty: bool, *, forwarding: bool) -> int:
    """Attach to the main process with all that is kept of its output, and return its exit code.

    Ctrl-P Ctrl-Q leaves it running (exit code 0). On a program without a terminal, ``forwarding`` sends it the signals
    that this process gets; without, they leave it running. Raises OpenShellError.
    """
    one = Attached(there, name, tty=tty)
    call = there.inspection.AttachSession(one.requests())
    try:
        with Signals((signal.SIGINT, signal.SIGTERM, signal.SIGHUP), one.pass_on if forwarding else one.leave):
            code = following.follow(there, one.keys, call, one.take, raw=one.raw, resized=one.resized)
    except terminal.Stopped as stopped:
        return STOPPED + stopped.number
    if code is None:
        return _left(name, detached=one.keys.detached)
    return following.ended(one.program, code, one.signal, timed_out=one.timed_out)


class Attached:
    """What goes to a program that runs already, and what comes from it."""

    def __init__(self, there: Remote, name: str, *, tty: bool) -> None:
        """Prepare to attach to the main process; ``tty``: it has a terminal."""
        here = sys.stdin is not None and os.isatty(0)
        self._reports = there.reports
        self.raw = tty and here
        self.keys = following.keyboard(wanted=True, detaching=here)
        self.program = name
        self.signal = 0
        self.timed_out = False
        columns, rows = terminal.size() if self.raw else (0, 0)
        where = {"workspace": there.workspace, "sandbox": name}
        self._start = {**where, "cols": columns, "rows": rows, "replay": True}

    def requests(self) -> Iterator[Any]:
        """Yield what is sent, until the call ends or is left."""
        message = self._reports.AttachInput
        yield message(start=self._start)
        for item in self.keys:
            if item == b"":
                yield message(eof=True)
            else:
                yield message(stdin=item) if isinstance(item, bytes) else item
        if self.keys.detached:
            yield message(detach=True)

    def take(self, answer: Any) -> int | None:
        """Write what the program wrote; return its exit code once it has ended."""
        kind = answer.WhichOneof("payload")
        if kind == "ended":
            self.signal, self.timed_out = answer.ended.signal, answer.ended.timed_out
            return int(answer.ended.exit_code)
        if kind == "attached":
            self.program = answer.attached.argv[0] if answer.attached.argv else self.program
        elif kind == "skipped":
            remote.note(f"{answer.skipped} bytes that {self.program} wrote are left out here")
        elif kind in ("stdout", "stderr"):
            terminal.write(1 if kind == "stdout" else 2, getattr(answer, kind))
        return None

    def resized(self) -> None:
        """Tell the size of this terminal."""
        columns, rows = terminal.size()
        self.keys.tell(self._reports.AttachInput(resize={"cols": columns, "rows": rows}))

    def pass_on(self, number: int) -> None:
        """Send the program a signal."""
        self.keys.tell(self._reports.AttachInput(signal=number))

    def leave(self, _number: int) -> None:
        """Leave the program running."""
        self.keys.detached = True
        self.keys.stop()


def _left(name: str, *, detached: bool) -> int:
    if not detached:
        raise OpenShellError(
            f"sandbox {name}: the gateway ended the main process's streams without saying how it ended",
            hint=f"openshell sandbox connect {name} attaches again",
            code="sandbox.streams",
        )
    remote.note(f"detached; openshell sandbox connect {name} attaches again")
    return DETACHED


class Signals:
    """Signals that go to a function, while the context lasts; what was ignored, as nohup has it, still is."""

    def __init__(self, numbers: tuple[int, ...], told: Callable[[int], None]) -> None:
        """Pass on these signals."""
        self._numbers = numbers
        self._told = told
        self._before: dict[int, Any] = {}

    def __enter__(self) -> None:
        """Take them."""
        for number in self._numbers:
            if signal.getsignal(number) is signal.SIG_IGN:
                continue
            self._before[number] = signal.signal(number, self._take)

    def __exit__(self, *_: object) -> None:
        """Give them back."""
        for number, before in self._before.items():
            signal.signal(number, before)

    def _take(self, number: int, _frame: FrameType | None) -> None:
        self._told(number)


VERBS = {"connect": connect}
