"""The limits of an owner (getrlimit(2)): its sandboxes are to have them, as if it had started them itself."""

from __future__ import annotations

import os
import resource

TYPE_CHECKING = False
if TYPE_CHECKING:
    Differing = tuple[tuple[int, tuple[int, int]], ...]

KINDS = tuple(sorted({number for name, number in vars(resource).items() if name.startswith("RLIMIT_")}))


class Limits:
    """The limits of a process, beside those that its sandboxes are born with: soft and hard one of each kind."""

    def __init__(self, owner: int) -> None:
        """Note those that this process has now, which the nursery was forked with."""
        self._owner = owner
        self._born = tuple((kind, resource.getrlimit(kind)) for kind in KINDS)

    def differing(self) -> Differing:
        """Return the owner's limits that are others now. Where they cannot be seen (prlimit(2)): none."""
        try:
            seen = [(kind, resource.prlimit(self._owner, kind), born) for kind, born in self._born]
        except OSError:
            return ()
        return tuple((kind, limit) for kind, limit, born in seen if limit != born and _can_have(limit[1], born[1]))


def _can_have(hard: int, born: int) -> bool:
    """Whether a hard limit can be had by who was born with another one: only root raises it."""
    infinite = resource.RLIM_INFINITY
    return os.geteuid() == 0 or born == infinite or (hard != infinite and hard <= born)
