"""``openshell logs``: the events of a sandbox, in shorthand or as OCSF, so far or as they come."""

from __future__ import annotations

import re
import sys
import time
from collections import deque
from typing import TYPE_CHECKING

from pyopenshell.cli import logs_line, output, remote
from pyopenshell.errors import NoSuchSandbox, UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from pyopenshell.cli.remote import Remote
    from pyopenshell.runs import RunView

_AGE = re.compile(r"([0-9]{1,9})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SOURCES = ("all", "gateway", "sandbox")
AGAIN = 0.2
"""Seconds between two looks at a log that grows."""
PAGE = 2000
"""Lines asked of a gateway where no number is given."""


def logs(arguments: argparse.Namespace) -> int:
    """Print the log from its beginning, or its last events. A run without events prints nothing."""
    wanted = _wanted(arguments)
    arguments.name = remote.sandbox(arguments.name)
    return remote.either(
        arguments,
        lambda there: _there(there, arguments, wanted),
        lambda: _here(arguments, wanted),
    )


def _wanted(arguments: argparse.Namespace) -> logs_line.Wanted:
    """Return which lines are wanted. Raises UsageError."""
    since = 0.0
    if arguments.since:
        age = _AGE.fullmatch(arguments.since)
        if not age:
            raise UsageError(f"--since takes a time such as 90s, 5m, 2h or 1d, not {arguments.since!r}")
        since = time.time() - int(age[1]) * _SECONDS[age[2]]
    wrong = [source for source in arguments.source if source not in _SOURCES]
    if wrong:
        raise UsageError(f"--source takes {', '.join(_SOURCES)}, not {wrong[0]!r}")
    level = (arguments.level or "").lower()
    if level and level not in logs_line.LEVELS:
        raise UsageError(f"--level takes info, low, medium, high or critical, not {arguments.level!r}")
    sources = tuple(source for source in arguments.source if source != "all")
    everything = len(sources) < len(arguments.source)
    return logs_line.Wanted(since, logs_line.LEVELS.get(level, 0), () if everything else sources)


def _here(arguments: argparse.Namespace, wanted: logs_line.Wanted) -> int:
    """Print what this machine's record has; a record's events are all the sandbox's."""
    from pyopenshell import runs

    name = "events.jsonl" if arguments.output == "json" else "events.log"
    view = runs.find(arguments.name)
    if wanted.sources and "sandbox" not in wanted.sources:
        return 0
    place = _print(view, name, wanted, arguments.count)
    while arguments.tail:
        sys.stdout.flush()
        live = view.state in ("starting", "running")
        place = _print(view, name, wanted, None, place)
        if not live:
            newer = _successor(arguments.name, view)
            if newer is None:
                break
            view, place = newer, 0
        time.sleep(AGAIN)
    return 0


def _successor(name: str, view: RunView) -> RunView | None:
    """Return the newer run of a sandbox that was started again; None where there is none."""
    from pyopenshell import runs

    try:
        newer = runs.find(name)
    except NoSuchSandbox:
        return None
    return newer if view.id not in (newer.id, name) else None


def _print(view: RunView, name: str, wanted: logs_line.Wanted, most: int | None, place: int = 0) -> int:
    """Print the whole lines of a log from a place on, the last ``most`` of them; return the place behind them."""
    try:
        with open(f"{view.path}/{name}", "rb") as file:
            file.seek(place)
            data = file.read()
    except FileNotFoundError:
        return place
    whole = data[: data.rfind(b"\n") + 1] if place else data  # a line that is being written is left for later
    lines = (line.decode("utf-8", "surrogateescape") for line in whole.split(b"\n") if line)
    for text in deque((line for line in lines if wanted.takes(line)), most):
        output.line(text)
    return place + len(whole)


def _there(there: Remote, arguments: argparse.Namespace, wanted: logs_line.Wanted) -> int:
    """Print what a gateway tells. OCSF events of this machine's own are in the records, whole."""
    if arguments.output == "json" and remote.is_own(there.gateway):
        try:
            return _here(arguments, wanted)
        except NoSuchSandbox:
            pass  # it never ran: the gateway may have something to say
    for line in _followed(there, arguments, wanted) if arguments.tail else _told(there, arguments, wanted):
        output.line(line)
        if arguments.tail:
            sys.stdout.flush()
    return 0


def _told(there: Remote, arguments: argparse.Namespace, wanted: logs_line.Wanted) -> Iterator[str]:
    fields = {"sandbox": arguments.name, "lines": PAGE if arguments.count is None else arguments.count}
    fields |= {"sources": wanted.sources, "min_level": logs_line.WORDS[wanted.level]}
    if wanted.since:
        fields["since_time"] = {"seconds": int(wanted.since)}
    if arguments.count == 0:
        return
    answer = there.call("GetSandboxLogs", **fields)
    if arguments.count is None and answer.buffer_total > len(answer.logs) >= PAGE:
        remote.note(f"these are the last {len(answer.logs)} of {answer.buffer_total} events; -n says how many")
    for line in answer.logs:
        text = logs_line.shown(line, arguments.output)
        if wanted.takes(text):
            yield text


def _followed(there: Remote, arguments: argparse.Namespace, wanted: logs_line.Wanted) -> Iterator[str]:
    request = there.messages.WatchSandboxRequest(
        sandbox=arguments.name,
        follow_logs=True,
        log_tail_lines=PAGE if arguments.count is None else arguments.count,
        log_sources=wanted.sources,
        log_min_level=logs_line.WORDS[wanted.level],
    )
    request.workspace_scope.workspace = there.workspace
    if wanted.since:
        request.since_time.seconds = int(wanted.since)
    try:
        for event in there.service.WatchSandbox(request):
            if event.WhichOneof("payload") == "log":
                text = logs_line.shown(event.log, arguments.output)
                if wanted.takes(text):
                    yield text
            elif event.WhichOneof("payload") == "warning":
                remote.note(event.warning.message)
    except there.failure as error:
        raise there.error(error) from error


VERBS = {"logs": logs}
