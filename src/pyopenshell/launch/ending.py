"""How a sandbox came to its end."""

from __future__ import annotations

from pyopenshell.kernel import signals
from pyopenshell.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyopenshell.launch.reports import Counts


class Exit(Record):
    """How the program ended: exit ``code``, or ``signal`` (then ``code`` is 128+signal).

    ``exec_errno`` is set when it never started; ``survivors`` are processes that could not be killed; ``troubles``
    says what could not be recorded. ``lost`` says why nobody can tell how the program ended: what keeps the sandbox
    died first, and everything in it was ended. ``broker`` has the counts of a broker that came to its end. ``likely``
    are sentences on what probably made a program fail that uses a GPU.
    """

    code: int
    signal: int | None = None
    exec_errno: int | None = None
    survivors: tuple[int, ...] = ()
    troubles: tuple[str, ...] = ()
    lost: str | None = None
    broker: Counts | None = None
    likely: tuple[str, ...] = ()


def unheard(code: int, stem: int, *, broker: bool) -> Exit:
    """Return the end of a sandbox that did not tell how its program ended, by the stem's exit code and pid."""
    number = -code if code < 0 else code - 128 if code > 128 else None
    return Exit(128 + number if number else 125, number, lost=_lost(code, stem, broker=broker))


def _lost(code: int, stem: int, *, broker: bool) -> str:
    if code > 128:
        return f"the sandbox's first process was killed by {signals.name(code - 128)}"
    whose = "the broker of its CUDA thread names" if broker else "the process around it"
    how = f"was killed by {signals.name(-code)}" if code < 0 else "ended unexpectedly"
    return f"the sandbox was ended because {whose} (pid {stem}) {how}"
