"""Plans that may be used again. Most sandboxes of a process are like the last one."""

from __future__ import annotations

import marshal

from pyopenshell.zygote import stamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyopenshell.planning import Planned

MOST = 32
"""Plans that are kept."""


class Warm:
    """A plan, as an object and as a child of the zygote takes it."""

    def __init__(self, planned: Planned, seen: stamp.Stamp, limits: tuple[int, int]) -> None:
        """Keep it with what it depends on."""
        self.planned = planned
        self.is_lasting = stamp.is_lasting(planned)
        self.plain = {**planned.plan.as_plain(), "limits": limits}
        self._seen = seen

    @property
    def holds(self) -> bool:
        """Whether it may be used now."""
        return self.is_lasting and self._seen.holds()


class Warmed:
    """The plans that are kept, by what was asked for."""

    def __init__(self) -> None:
        """Keep none yet."""
        self._kept: dict[bytes, Warm] = {}

    def find(self, asked: dict[str, Any]) -> Warm | None:
        """Return a plan for this request that holds still."""
        key = _key(asked)
        warm = self._kept.get(key)
        if warm and not warm.holds:
            del self._kept[key]
            return None
        return warm

    def keep(self, asked: dict[str, Any], warm: Warm) -> None:
        """Keep a plan, where that makes sense."""
        if warm.is_lasting:
            if len(self._kept) >= MOST:
                del self._kept[next(iter(self._kept))]
            self._kept[_key(asked)] = warm

    def drop(self, warm: Warm) -> None:
        """Keep a plan no longer: what was made by it failed."""
        self._kept = {key: kept for key, kept in self._kept.items() if kept is not warm}


def _key(asked: dict[str, Any]) -> bytes:
    """Return what a plan follows from. The sandbox's name is not part of it, as long as no id is kept for that."""
    return marshal.dumps({**asked, "request": {**asked["request"], "name": None}})
