"""Plans that may be used again. Most sandboxes of a process are like the last one."""

from __future__ import annotations

import marshal
from copy import copy

from pyopenshell.audit import context
from pyopenshell.launch import environment
from pyopenshell.launch.plan import divided
from pyopenshell.zygote import stamp
from pyopenshell.zygote.mold import BY_VALUE, Identified, Mold, core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyopenshell.effective.model import Effective
    from pyopenshell.planning import Planned
    from pyopenshell.zygote.limits import Differing

MOST = 32
"""Plans that are kept."""


class Warm:
    """A plan, as an object and as init takes it, also one that is to stay small (``divided``)."""

    def __init__(self, planned: Planned, seen: stamp.Stamp, limits: Differing) -> None:
        """Keep it with what it depends on."""
        self.planned = planned
        self.is_lasting = stamp.is_lasting(planned)
        plain = {**planned.plan.as_plain(), "limits": limits}
        self.plain = marshal.dumps(plain)
        self.divided = marshal.dumps(divided(plain))
        self.identified = Identified(planned)
        self.process = _process(planned)
        self.meta = planned.meta()
        self.used = 0.0
        self._seen = seen
        self._molds: dict[bytes, Mold] = {}

    def limited(self, effective: Effective) -> Warm:
        """Return this plan for one sandbox whose policy tells what became of its limits."""
        one = copy(self)
        one.planned, one._molds = self.planned.replace(effective=effective), {}
        return one

    @property
    def holds(self) -> bool:
        """Whether it may be used now."""
        return self.is_lasting and self._seen.holds()

    def mold(self, receipt: dict[str, Any], here: context.Context) -> Mold:
        """Return what the beginning of a record is made in, for a receipt. Raises LaunchError."""
        key = core(receipt)
        if key not in self._molds:
            self._molds.clear()
            self._molds[key] = Mold(self.planned, self.identified, receipt, here)
        return self._molds[key]


class Warmed:
    """The plans that are kept, by the ``key`` of what was asked for."""

    def __init__(self) -> None:
        """Keep none yet."""
        self._kept: dict[bytes, Warm] = {}

    def find(self, key: bytes) -> Warm | None:
        """Return a plan that holds still, for what was asked for."""
        warm = self._kept.get(key)
        if warm and not warm.holds:
            del self._kept[key]
            return None
        return warm

    def keep(self, key: bytes, warm: Warm) -> None:
        """Keep a plan, where that makes sense."""
        if warm.is_lasting:
            if len(self._kept) >= MOST:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = warm

    def drop(self, warm: Warm) -> None:
        """Keep a plan no longer: what was made by it failed."""
        self._kept = {key: kept for key, kept in self._kept.items() if kept is not warm}


def _process(planned: Planned) -> context.Process:
    workload = planned.plan.workload
    return context.Process(
        argv=(),
        path="",
        uid=planned.identity.uid,
        gid=planned.identity.gid,
        user=planned.identity.user,
        workdir=workload.workdir,
        environment=environment.names(workload.environment),
    )


def key(asked: dict[str, Any], limits: Differing) -> bytes:
    """Return what a plan follows from. The sandbox's name is not part of it, as long as no id is kept for that."""
    return marshal.dumps(({**asked, "request": {**asked["request"], "name": None}}, limits), BY_VALUE)
