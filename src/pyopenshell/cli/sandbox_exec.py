"""``openshell sandbox exec``: a command in a sandbox, with this process's streams and its exit code."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from pyopenshell.cli import following, remote, terminal
from pyopenshell.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from pyopenshell.cli.remote import Remote

STOPPED = 128
"""Added to the signal that ends this process while a terminal is the program's."""


def exec_(arguments: argparse.Namespace) -> int:
    """Run a command in a sandbox."""
    if not arguments.command:
        raise UsageError("sandbox exec: no command is given", hint=arguments.parser.short_usage())
    name = remote.sandbox(arguments.name)
    tty = terminal.is_terminal() if arguments.tty is None else arguments.tty
    with remote.required(arguments) as there:
        return run(
            there,
            name,
            arguments.command,
            tty=tty,
            env=dict(arguments.env),
            workdir=arguments.workdir or "",
            timeout=arguments.timeout,
            plain=arguments.no_login_shell,
        )


def run(
    there: Remote,
    name: str,
    command: Sequence[str],
    *,
    tty: bool,
    env: Mapping[str, str] | None = None,
    workdir: str = "",
    timeout: int | None = None,
    plain: bool = True,
) -> int:
    """Run a command and return its exit code. Raises OpenShellError."""
    messages = there.messages
    columns, rows = terminal.size() if tty else (0, 0)
    start = messages.ExecSandboxRequest(
        sandbox=name,
        command=command,
        workdir=workdir,
        environment=env or {},
        tty=tty,
        cols=columns,
        rows=rows,
        no_login_shell=plain,
    )
    start.workspace_scope.workspace = there.workspace
    if timeout is not None:
        start.execution_timeout.seconds = timeout
    here = os.isatty(0) if sys.stdin is not None else False
    keys = following.keyboard(wanted=tty or not here)
    raw = tty and here

    def requests() -> Iterator[Any]:
        yield messages.ExecSandboxInput(start=start)
        for item in keys:
            if item == b"":  # the end of the input is that of the requests, unless a window may still change
                if not raw:
                    return
            elif isinstance(item, bytes):
                yield messages.ExecSandboxInput(stdin=item)
            else:
                yield messages.ExecSandboxInput(resize={"cols": item[0], "rows": item[1]})

    def take(event: Any) -> int | None:
        kind = event.WhichOneof("payload")
        if kind == "exit":
            return int(event.exit.exit_code)
        terminal.write(2 if kind == "stderr" else 1, event.stderr.data if kind == "stderr" else event.stdout.data)
        return None

    call = there.service.ExecSandboxInteractive(requests())
    try:
        code = following.follow(there, keys, call, take, raw=raw, resized=lambda: keys.tell(terminal.size()))
    except terminal.Stopped as stopped:
        return STOPPED + stopped.number
    if code is None:
        raise _unfinished(name)
    told = _told(call)
    number = told.get("pyopenshell-signal", "0")
    return following.ended(
        command[0], code, int(number) if number.isdigit() else 0, timed_out="pyopenshell-timed-out" in told
    )


def _told(call: Any) -> dict[str, str]:
    """Return what was said behind the last answer."""
    return {key: value for key, value in call.trailing_metadata() or () if isinstance(value, str)}


def _unfinished(name: str) -> Exception:
    from pyopenshell.errors import SandboxGone

    return SandboxGone(
        f"sandbox {name}: the gateway ended the command's streams without saying how it ended",
        hint=f"openshell sandbox get {name} shows whether it is still there",
    )


VERBS = {"exec": exec_}
