"""Waiting, for callers that block: with poll(2), on a command's own descriptors, for no longer than they said."""

from __future__ import annotations

import select
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyopenshell.sandbox.command import Command
    from pyopenshell.sandbox.exchange import Exchange
    from pyopenshell.sandbox.job import Job
    from pyopenshell.sandbox.result import Result

PATIENCE = 30.0
"""Seconds to wait for the end of a command that is killed: one that sits in the kernel (on a file server that does not
answer) goes when that lets it."""
_LONGEST = (1 << 31) - 1


def milliseconds(deadline: float | None) -> int | None:
    """Return the time left until then as poll(2) takes it, rounded up; 0 where it is over, None where there is none."""
    if deadline is None:
        return None
    left = (deadline - time.monotonic()) * 1000
    return 0 if left <= 0 else min(int(left) + 1, _LONGEST)


def step(exchange: Exchange, deadline: float | None) -> bool:
    """Wait for something to pass, and let it. Returns False where nothing did before the deadline."""
    poll = select.poll()
    for fd, events in exchange.interest().items():
        poll.register(fd, events)
    ready = poll.poll(milliseconds(deadline))
    for fd, events in ready:
        exchange.ready(fd, events)
    return bool(ready)


def finish(exchange: Exchange) -> None:
    """Kill a command, and wait until nothing of it is left. In a fork of its process nothing is done."""
    if exchange.command.socket.fileno() < 0:
        return
    exchange.command.cancel()
    deadline = time.monotonic() + PATIENCE
    while not exchange.over and step(exchange, deadline):
        pass


def outcome(job: Job) -> Result:
    """Return how a command that is over ended. Raises what kept it from starting, SandboxGone, CommandFailed."""
    if job.command.lost:
        raise job.link.gone()
    return job.result()


def until_begun(command: Command) -> None:
    """Wait until a command runs, or is over."""
    while not (command.begun or command.over):
        _wait_for_word(command, None)


def until_over(command: Command, deadline: float | None) -> bool:
    """Wait until a command is over. Returns False at the deadline."""
    command.take()
    while not command.over:
        if not _wait_for_word(command, deadline):
            return False
    return True


def _wait_for_word(command: Command, deadline: float | None) -> bool:
    poll = select.poll()
    poll.register(command.socket, select.POLLIN)
    ready = poll.poll(milliseconds(deadline))
    command.take()
    return bool(ready)
