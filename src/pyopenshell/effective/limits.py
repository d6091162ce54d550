"""What all of a sandbox together may take of processors, memory and processes: asked for, and what became of it.

Numbers are whole, for JSON's sake: processors are counted in thousandths.
"""

from __future__ import annotations

from pyopenshell.effective.model import OUTCOME, Finding
from pyopenshell.errors import UsageError
from pyopenshell.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyopenshell.effective.model import Effective

UNITS = {"cpu": "millicpu", "memory": "bytes", "pids": "processes"}
"""What can be limited, and in what it is counted. Threads count as processes (cgroups(7), ``pids``)."""
LEAST = {"cpu": 10, "memory": 1 << 20, "pids": 4}
"""The kernel takes no less of ``cpu`` (1 ms of every 100 ms); the others are what a sandbox needs to come to life."""
MOST = {"cpu": 1_000_000, "memory": (1 << 53) - 1, "pids": 1 << 22}
"""More than any machine has, and for ``pids`` the kernel's PID_MAX_LIMIT."""
HINT = (
    "the gateway needs a cgroup that is its own to divide (systemd: Delegate=yes), or root; openshell doctor says more"
)


class Limit(Record):
    """One limit: ``name`` (``cpu``, ``memory``, ``pids``), what was ``requested``, and ``actual`` as read back.

    ``unit`` is what both are counted in. ``mechanism``: ``cgroup v1``, ``cgroup v2``, or ``none``. ``status``:
    ``planned``, then ``enforced`` or ``skipped``; ``detail`` says what to know about it.
    """

    name: str
    requested: int
    unit: str
    actual: int | None = None
    mechanism: str = "none"
    status: str = "planned"
    detail: str | None = None

    @property
    def most(self) -> float:
        """What can be taken at most, of what it is counted in; a plan counts as enforced."""
        known = self.requested if self.actual is None else self.actual
        return float("inf") if self.status == "skipped" else known

    def __str__(self) -> str:
        """Return what was requested, in words."""
        return in_words(self.name, self.requested)


def in_words(name: str, value: int) -> str:
    """Return an amount as people write it: ``1.5 CPUs``, ``512 MiB``, ``100 processes``."""
    if name == "cpu":
        return f"{value / 1000:g} CPU{'' if value == 1000 else 's'}"
    if name == "memory":
        sizes = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")]
        size, unit = next(((size, unit) for size, unit in sizes if value >= size and value % size == 0), (1, "bytes"))
        return f"{value // size} {unit}"
    return f"{value} processes"


def asked(cpu: float | None, memory: int | None, pids: int | None) -> tuple[Limit, ...]:
    """Return the limits that are asked for: CPUs, bytes, processes and threads. Raises UsageError."""
    return tuple(_asked(cpu, memory, pids))


def _asked(cpu: float | None, memory: int | None, pids: int | None) -> Iterator[Limit]:
    for name, value in (("cpu", cpu), ("memory", memory), ("pids", pids)):
        if value is None:
            continue
        scale, least, most = (1000 if name == "cpu" else 1), LEAST[name], MOST[name]
        if not least <= value * scale <= most:  # NaN is not, either
            raise UsageError(
                f"a limit of {value} for {name} cannot be kept",
                hint=f"it lies between {in_words(name, least)} and {in_words(name, most)}",
                code="limits.range",
            )
        yield Limit(name, round(value * scale), UNITS[name])


def settled(effective: Effective, limits: tuple[Limit, ...]) -> Effective:
    """Return the policy with what became of its limits, and a finding for each that could not be had.

    That is no part of the plan: the digest stays what it was.
    """
    missing = [
        Finding(OUTCOME + "limit", "Medium", f"{limit.name} is not limited to {limit}: {limit.detail}", HINT)
        for limit in limits
        if limit.status == "skipped"
    ]
    return effective.replace(limits=limits, findings=(*effective.findings, *missing))
